"""Where the demo's connectors deliver: /demo/inbox/<service>/."""

from __future__ import annotations

from django.urls import path

from demo.views import receive

urlpatterns = [path("inbox/<str:service>/", receive, name="demo-inbox")]
