"""Block Kit as Slack accepts it: shapes with their limits. Pure.

Source: docs.slack.dev/reference/block-kit.
"""
