"""The addresses at which the demo's connectors deliver."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from demo.inbox import take
from demo.reading import Service

LARGEST = 1024 * 1024
# What a service says when it has taken a message: Slack answers with a word, a Teams workflow with 202.
ANSWERS = {
    Service.SLACK: (200, "ok"),
    Service.TEAMS: (202, ""),
    Service.EMAIL: (200, ""),
    Service.WEBHOOK: (200, ""),
}


@csrf_exempt
@require_POST
def receive(request: HttpRequest, service: str) -> HttpResponse:
    """Takes a message as the service would; 400 in words for what it would refuse."""
    length = int(request.headers.get("Content-Length") or 0)
    if length > LARGEST:
        return HttpResponse("This is too large.", status=413, content_type="text/plain")
    try:
        take(Service(service), request.body)
    except ValueError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain")
    status, words = ANSWERS[Service(service)]
    return HttpResponse(words, status=status, content_type="text/plain")
