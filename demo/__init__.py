"""KubeGraf to try out: a simulated cluster in which things break, and an inbox for what is told of it.

`make demo` starts it. It needs a checkout: the simulated cluster is the API server of the tests.
"""
