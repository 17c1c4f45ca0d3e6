"""The Web API's methods, by family. Each takes a Call and returns the answer without ``ok``."""

from sandbox.slack.methods import app, chat, conversations, files, people, views
from sandbox.slack.methods.call import Method

METHODS: dict[str, Method] = {
    **app.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **people.METHODS,
    **views.METHODS,
}
