from hypothesis import settings

# The default deadline of 0.2 s an example fails tests on a machine that is busy, for no fault.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
