"""The API server's variables: the installation guide's, typed, each quoted as HOCON wants it. Pure."""

from collections.abc import Iterator

from provisioning.chart_values import EnvironmentVariable, Secret, variable
from provisioning.platform.spec import Billing, PlatformSpec, Server, Sso
from provisioning.platform.spec_fields import SecretReference

BILLING_REDIS_DB = 2
KAFKA_PORT = 9092


def server_variables(spec: PlatformSpec, server: Server) -> tuple[EnvironmentVariable, ...]:
    """Return every ``CLEARML__…`` variable, in a stable order; the spec's own come last and may not repeat ours."""
    ours = (*_billing(spec.billing), *_sso(server.sso), *_features(server), *_supervisor(server))
    more = tuple(variable(name, value) for name, value in sorted(server.variables.items()))
    return (*ours, *more)


def repeated_variables(spec: PlatformSpec, server: Server) -> tuple[str, ...]:
    """Return the names in ``server.variables`` that we set ourselves. Only CLEARML's prefix is case-sensitive."""
    ours = {one.name.casefold() for one in server_variables(spec, server.model_copy(update={"variables": {}}))}
    return tuple(name for name in server.variables if name.casefold() in ours)


def kafka_address(billing: Billing) -> str:
    return f"{billing.release}-kafka.{billing.namespace}:{KAFKA_PORT}"


def _billing(billing: Billing | None) -> Iterator[EnvironmentVariable]:
    if billing is None:
        return
    yield variable("CLEARML__billing__enabled", True)
    yield variable("CLEARML__HOSTS__KAFKA__BILLING__HOST", [kafka_address(billing)])
    yield variable("CLEARML__HOSTS__REDIS__BILLING__HOST", f"{billing.release}-redis-master.{billing.namespace}")
    yield variable("CLEARML__HOSTS__REDIS__BILLING__DB", BILLING_REDIS_DB)
    kafka = "CLEARML__SECURE__KAFKA__BILLING__"
    yield variable(f"{kafka}security_protocol", "SASL_PLAINTEXT")
    yield variable(f"{kafka}sasl_mechanism", "SCRAM-SHA-512")
    yield variable(f"{kafka}sasl_plain_username", billing.kafka_user)
    yield variable(f"{kafka}sasl_plain_password", _named(billing.kafka_password))


def _sso(sso: Sso | None) -> Iterator[EnvironmentVariable]:
    if sso is None:
        return
    secure = f"CLEARML__secure__login__sso__oauth_client__{sso.provider}__"
    services = f"CLEARML__services__login__sso__oauth_client__{sso.provider}__"
    yield variable(f"{secure}client_id", sso.client_id)
    yield variable(f"{secure}client_secret", _named(sso.client_secret))
    yield variable(f"{services}base_url", sso.base_url)
    yield variable(f"{services}authorize_url", sso.authorize_url)
    yield variable(f"{services}access_token_url", sso.access_token_url)
    yield variable(f"{services}audience", sso.audience)


def _features(server: Server) -> Iterator[EnvironmentVariable]:
    features, services = server.features, "CLEARML__services__"
    yield variable(f"{services}organization__features__user_management_advanced", features.user_management_advanced)
    roles = f"{services}auth__ui_features_per_role__user__"
    yield variable(f"{roles}show_datasets", features.users_see_datasets)
    yield variable(f"{roles}show_orchestration", features.users_see_orchestration)
    yield variable(f"{services}applications__max_running_apps_per_company", features.max_running_apps_per_company)
    groups = f"{services}auth__default_groups__"
    yield variable(f"{groups}users__features", features.users)
    yield variable(f"{groups}admins__features", features.admins)
    yield variable(f"{services}workers__resource_usages__supervisor_company", server.supervisor_company)
    yield variable("CLEARML__apiserver__company__unique_names", server.unique_company_names)


def _supervisor(server: Server) -> Iterator[EnvironmentVariable]:
    supervisor, prefix = server.supervisor, "CLEARML__secure__credentials__supervisor__"
    yield variable(f"{prefix}role", supervisor.role)
    yield variable(f"{prefix}allow_login", supervisor.allow_login)
    yield variable(f"{prefix}user_key", _named(supervisor.key))
    yield variable(f"{prefix}user_secret", _named(supervisor.secret))
    yield variable(f"{prefix}sec_groups", supervisor.groups)
    yield variable(f"{prefix}email", supervisor.email)


def _named(reference: SecretReference) -> Secret:
    return Secret(name=reference.name)
