"""What the kernels' property tests share."""

from hypothesis import HealthCheck, settings

# deterministic and untimed: a test run says the same thing every time
settings.register_profile(
    "steward",
    deadline=None,
    derandomize=True,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steward")
