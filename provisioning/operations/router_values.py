"""The values of a tenant's router release, typed, in the keys of either generation of its chart.

Secrets stand in them by name only, ``{"$secret": …}``; the step that installs the release puts them in.
"""

from provisioning.chart_values import Secret, Values
from provisioning.configuration import Agent, Router, ServerPods
from provisioning.operations.agent_values import CREDENTIALS_SECRET, ImageCredentials

API_PORT = 8008  # of the API server's Service


class Ingress(Values):
    enabled: bool = True
    host_name: str


class TaskTrafficRouterServer(Values):
    api_server_url_reference: str
    apiserver_key: Secret
    apiserver_secret: Secret
    jwks_key: Secret  # what the server signs tokens with


class TaskTrafficRouterValues(Values):
    image_credentials: ImageCredentials | None = None
    clearml: TaskTrafficRouterServer
    ingress: Ingress


class AppGatewayServer(Values):
    api_server_url_reference: str
    api_key: Secret
    api_secret: Secret
    auth_cookie_name: str


class AppGatewayValues(Values):
    image_credentials: ImageCredentials | None = None
    clearml: AppGatewayServer
    ingress: Ingress


def router_values(
    *, tenant: str, host: str, router: Router, server: ServerPods, agent: Agent
) -> TaskTrafficRouterValues | AppGatewayValues:
    """Return what the tenant's router release is given; its credentials come from the tenant's namespace.

    The registry's token is the agent's: both images lie in one registry.
    """
    api_url = router.api_url or f"http://{server.apiserver}.{server.namespace}:{API_PORT}"
    key = Secret(name=f"{tenant}/{CREDENTIALS_SECRET}/access_key")
    secret = Secret(name=f"{tenant}/{CREDENTIALS_SECRET}/secret_key")
    image = ImageCredentials(password=Secret(name="agent.image_password")) if agent.image_password else None
    ingress = Ingress(host_name=host)
    match router.generation:
        case "task-traffic-router":
            return TaskTrafficRouterValues(
                image_credentials=image,
                clearml=TaskTrafficRouterServer(
                    api_server_url_reference=api_url,
                    apiserver_key=key,
                    apiserver_secret=secret,
                    jwks_key=Secret(name=router.signing_key_secret or "router.signing_key"),
                ),
                ingress=ingress,
            )
        case "app-gateway":
            return AppGatewayValues(
                image_credentials=image,
                clearml=AppGatewayServer(
                    api_server_url_reference=api_url,
                    api_key=key,
                    api_secret=secret,
                    auth_cookie_name=router.auth_cookie_name or "",
                ),
                ingress=ingress,
            )
