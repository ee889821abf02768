"""All settings, from the environment. `docs/configuration.md` has a line for each variable read here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_stubs_ext
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from connectors.engine.retry import SCHEDULE
from kubegraf import logs
from kubegraf.console.looks import UNFOLD as UNFOLD
from kubegraf.env import (
    BASE_DIR,
    broker_tls,
    checked_rate,
    data_dir,
    database_url,
    env,
    key,
    options,
    redis_url,
    seconds,
    shared_cache,
    waits,
    whole_number,
)
from kubegraf.oidc.claims import rules

# Lets classes such as ModelAdmin[Connector] say at run time, too, what they are about.
django_stubs_ext.monkeypatch()

DATA_DIR = data_dir()
DEBUG = env.bool("KUBEGRAF_DEBUG", default=False)

SECRET_KEY = key("SECRET_KEY", "secret_key")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. `make run` generates one under var/; in production set SECRET_KEY"
        " (or SECRET_KEY_FILE) to a long random string."
    )

# The first key encrypts, every key decrypts: to rotate, put the new one in front.
FIELD_ENCRYPTION_KEY = [
    part.strip() for part in key("FIELD_ENCRYPTION_KEY", "field_encryption_key").split(",") if part.strip()
]
if not FIELD_ENCRYPTION_KEY:
    raise ImproperlyConfigured(
        "FIELD_ENCRYPTION_KEY is not set. `make run` generates one under var/; in production set"
        " FIELD_ENCRYPTION_KEY (or FIELD_ENCRYPTION_KEY_FILE) to the output of: python -c"
        ' "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
    )

PUBLIC_URL: str = env.str("KUBEGRAF_PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("KUBEGRAF_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "unfold",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.forms",
    "csp",
    "axes",
    "connectors",
    "events",
    "kubegraf",
]

# Inputs, too, are drawn from the project's own templates where it has some: it replaces some of the theme's.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

MIDDLEWARE = [
    "kubegraf.health.HealthMiddleware",
    "kubegraf.metrics.MetricsMiddleware",
    "csp.middleware.CSPMiddleware",  # before what answers by itself, so that each answer has a policy
    "kubegraf.policy.ConsolePolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kubegraf.policy.PrivateMiddleware",  # after the static files, which everybody may keep
    "django.contrib.sessions.middleware.SessionMiddleware",
    "kubegraf.problems.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",  # the last: it answers for what the others let through
]

ROOT_URLCONF = "kubegraf.urls"
WSGI_APPLICATION = "kubegraf.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------------

DATABASE: dict[str, Any] = env.db_url_config(database_url())
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for the writer (WAL); a writer takes its lock at once rather than failing
    # half-way through a transaction (IMMEDIATE), and waits for another writer instead of giving up.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
else:
    DATABASE["CONN_MAX_AGE"] = 60
    DATABASE["CONN_HEALTH_CHECKS"] = True
    # A server that is gone without a word, as with its machine or the network, is given up after 25 seconds.
    # By itself the system would wait a quarter of an hour for it, or, once it had been asked, two hours.
    DATABASE["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,  # milliseconds
        **DATABASE.get("OPTIONS", {}),
    }
DATABASES = {"default": DATABASE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery ---------------------------------------------------------------------------------------------

CELERY_BROKER_URL = redis_url()
CELERY_BROKER_USE_SSL = broker_tls()
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = whole_number("KUBEGRAF_WORKER_THREADS", default=16, at_least=1)
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Rows are the queue, so a lost or late task costs nothing but a sweep; publishing gives up soon for the
# same reason: whoever commits an event must not wait for a broker that is away.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    "max_retries": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
# A worker or beat, on the other hand, waits for its broker as long as it takes.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BEAT_SCHEDULER = "kubegraf.liveness:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "connectors.tasks.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "merge_tallies": {"task": "kubegraf.tasks.merge_tallies", "schedule": 15.0, "options": {"expires": 15}},
    "report_connectors": {
        "task": "events.tasks.report_connectors",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "check_clusters": {"task": "events.tasks.check_clusters", "schedule": 15.0, "options": {"expires": 15}},
    "release_silenced": {
        "task": "events.tasks.release_silenced",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "begin_hours": {"task": "events.tasks.begin_hours", "schedule": 15.0, "options": {"expires": 15}},
    # By the clock rather than by an interval, which a beat that is restarted would count anew.
    "prune": {"task": "kubegraf.tasks.prune", "schedule": crontab(minute="17", hour="3")},
}

# --- Who may come in ------------------------------------------------------------------------------------

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # lets nobody try who is shut out
    "django.contrib.auth.backends.ModelBackend",
]

# Shutting out who guesses passwords (`kubegraf.lockout`).
TRUSTED_PROXIES = whole_number("KUBEGRAF_TRUSTED_PROXIES", default=0, at_least=0)
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=whole_number("KUBEGRAF_LOCKOUT_MINUTES", default=15, at_least=1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = (
    False  # or whoever goes on guessing shuts a person out for ever
)
AXES_CLIENT_IP_CALLABLE = "kubegraf.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "kubegraf.lockout.locked_out"
AXES_WHITELIST_CALLABLE = "kubegraf.lockout.is_no_guess"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Signing in at an OpenID Connect provider (`kubegraf.oidc`). Without an issuer nothing of it is there.
OIDC_ISSUER: str = env.str("KUBEGRAF_OIDC_ISSUER", default="").strip()
if OIDC_ISSUER:
    OIDC_RP_CLIENT_ID: str = env.str("KUBEGRAF_OIDC_CLIENT_ID", default="").strip()
    OIDC_RP_CLIENT_SECRET: str = env.str("KUBEGRAF_OIDC_CLIENT_SECRET", default="").strip()
    OIDC_NAME: str = env.str("KUBEGRAF_OIDC_NAME", default="single sign-on")
    OIDC_RP_SCOPES: str = env.str("KUBEGRAF_OIDC_SCOPES", default="openid email profile")
    OIDC_ROLES: list[str] = env.list("KUBEGRAF_OIDC_ROLES", default=[])
    OIDC_DEFAULT_ROLE: str = env.str("KUBEGRAF_OIDC_DEFAULT_ROLE", default="")
    try:
        rules(OIDC_ROLES)
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from None
    OIDC_USE_PKCE = True
    OIDC_TIMEOUT = 10
    if not OIDC_RP_CLIENT_ID or not OIDC_RP_CLIENT_SECRET:
        raise ImproperlyConfigured(
            "With KUBEGRAF_OIDC_ISSUER, KUBEGRAF_OIDC_CLIENT_ID and KUBEGRAF_OIDC_CLIENT_SECRET must be set,"
            " too."
        )
    if not OIDC_ISSUER.startswith("https://") and not env.bool("KUBEGRAF_ALLOW_HTTP", default=False):
        raise ImproperlyConfigured(f"KUBEGRAF_OIDC_ISSUER is {OIDC_ISSUER!r}; it must begin with https://.")
    AUTHENTICATION_BACKENDS += ["kubegraf.oidc.backend.ProviderBackend"]
    TEMPLATES[0]["OPTIONS"]["context_processors"] += ["kubegraf.oidc.pages.offer"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "kubegraf.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.DjangoModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "connectors.api.paging.Pages",
    "DEFAULT_SCHEMA_CLASS": "connectors.api.description.Schema",
    "DEFAULT_THROTTLE_CLASSES": ["connectors.api.throttling.Throttle"],
    "EXCEPTION_HANDLER": "connectors.api.problems.handler",
    "URL_FORMAT_OVERRIDE": None,  # what Accept says, no parameter says again
}

SPECTACULAR_SETTINGS = {
    "TITLE": "KubeGraf",
    "DESCRIPTION": (
        "Everything that the console can do. Call it with a token (`Authorization: Token …`) or, from a page"
        " of KubeGraf, with the session. Errors are problem details (RFC 9457); lists come in pages, with a"
        " `next` link; what is configured has an ETag, and a change with If-Match overwrites nothing unseen."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v[0-9]/",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
}

# How often one token or person may call, and report events.
API_RATE = checked_rate("KUBEGRAF_API_RATE", default="1200/min")
INGEST_RATE = checked_rate("KUBEGRAF_INGEST_RATE", default="12000/min")
# Where web processes count that together. It shares its database with the broker: never clear it as a whole.
CACHES = {"default": shared_cache()}

# Transport security follows the address people use.
if PUBLIC_URL.startswith("https://"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Other names below ours, and lists that browsers ship with, are not ours to decide about.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# Nothing is loaded from elsewhere, and no page runs scripts that stand in it. `kubegraf.policy` says what the
# console's own pages may besides.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
    },
}

# --- Outgoing connections -------------------------------------------------------------------------------

ALLOW_HTTP = env.bool("KUBEGRAF_ALLOW_HTTP", default=False)
EGRESS_ALLOW: list[str] = env.list("KUBEGRAF_EGRESS_ALLOW", default=[])
# What performs outgoing HTTP: "curl" or "requests"; empty for the faster one that is installed.
HTTP_DRIVER: str = env.str("KUBEGRAF_HTTP_DRIVER", default="")
if HTTP_DRIVER not in ("", "curl", "requests"):
    raise ImproperlyConfigured(f"KUBEGRAF_HTTP_DRIVER is {HTTP_DRIVER!r}; it can be curl or requests.")
# Seconds to wait after the first, second, … failed attempt at a delivery, before it counts as failed.
RETRY_SCHEDULE = waits("KUBEGRAF_RETRY_SCHEDULE", default=SCHEDULE)
# Seconds after which a delivery that a worker has taken, and not finished, is taken by another. Were it
# shorter than a conversation may last (45 s), a slow receiver would be told again what it is being told.
LEASE_SECONDS = seconds("KUBEGRAF_LEASE_SECONDS", default=60.0)

# --- How long the record is kept, and who may measure --------------------------------------------------

# Days. Open events and unsettled deliveries are kept however old they are.
KEEP_DAYS = whole_number("KUBEGRAF_KEEP_DAYS", default=90, at_least=1)
# The same for the history of who changed what, of which there is little.
HISTORY_DAYS = whole_number("KUBEGRAF_HISTORY_DAYS", default=730, at_least=1)
METRICS_TOKEN: str = env.str("KUBEGRAF_METRICS_TOKEN", default="").strip()

# --- Watching and detection -----------------------------------------------------------------------------

# Where watchers agree on who watches a cluster. What a watcher does is write to the database, so the database
# is asked, too; and not every cluster may be written to.
WATCH_LEASE: str = env.str("KUBEGRAF_LEASE", default="database")
if WATCH_LEASE not in ("database", "kubernetes", "none"):
    raise ImproperlyConfigured(f"KUBEGRAF_LEASE is {WATCH_LEASE!r}; it can be database, kubernetes or none.")

# {"pod_crash_loop": {"clear_after": 60}}: a detector's options, by event type.
DETECTOR_OPTIONS: dict[str, dict[str, Any]] = options("KUBEGRAF_DETECTORS")

# --- The demo -------------------------------------------------------------------------------------------

# `make demo` sets it: a simulated cluster, an inbox, and a mark on every page.
DEMO = env.bool("KUBEGRAF_DEMO", default=False)
if DEMO:
    INSTALLED_APPS.append("demo")
    TEMPLATES[0]["OPTIONS"]["context_processors"] += ["demo.hint.sign_in"]
# What to sign in with, for the page that asks; set by `make demo` where nobody else can reach that page.
DEMO_PASSWORD = env.str("KUBEGRAF_DEMO_PASSWORD", default="") if DEMO else ""

# --- Words, time, files ---------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "kubegraf.formats"
USE_TZ = True

# One handler, which is strict: see there.
FILE_UPLOAD_HANDLERS = ["kubegraf.uploads.SmallFiles"]

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOG_FORMAT = logs.chosen(env.str("KUBEGRAF_LOG_FORMAT", default="line"))
LOG_LEVEL = logs.level(env.str("KUBEGRAF_LOG_LEVEL", default="INFO"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "kubegraf.logs.LineFormatter"},
        "json": {"()": "kubegraf.logs.JSONFormatter"},
    },
    "filters": {
        "secrets": {"()": "connectors.secrets.RedactingFilter"},
        "no_fault": {"()": "kubegraf.outage.NoFault"},
        "seldom": {"()": "kubegraf.outage.Seldom"},
        "not_taken": {"()": "kubegraf.outage.NotTaken"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["secrets"]},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Their DEBUG lines hold whole addresses, and a Slack address is a secret.
        "urllib3": {"level": "INFO"},
        "requests": {"level": "INFO"},
        "kubernetes": {"level": "INFO"},
        # A line for every task and every beat would bury the lines that say what happened.
        "celery.beat": {"level": "WARNING", "filters": ["not_taken"]},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "kombu.asynchronous.hub": {"filters": ["not_taken"]},
        "django.request": {"filters": ["no_fault"]},
        # It tries to connect every second.
        "psycopg.pool": {"filters": ["seldom"]},
    },
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
