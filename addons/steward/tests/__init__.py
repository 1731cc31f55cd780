from . import (
    test_app,
    test_exceptions,
    test_kernel_backoff,
    test_kernel_breaker,
    test_kernel_bucketing,
    test_kernel_fingerprint,
    test_kernel_forecast,
    test_kernel_histogram,
    test_kernel_limiter,
    test_kernel_netguard,
    test_kernel_redactor,
    test_kernel_reference,
    test_kernel_schema,
    test_kernel_semaphore,
    test_kernel_statistics,
    test_kernel_windows,
)
from . import test_limits
