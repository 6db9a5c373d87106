import math

import keras
import numpy as np
import pytest

from devise_lib.training.ranks.schedule import LinearRamp, OneCycle, choose_rate, rates_to_try


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing():
    schedule = OneCycle(0.5, 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.5 / 25)
    assert np.argmax(rates) == 30
    assert rates[30] == pytest.approx(0.5)
    assert rates[15] == pytest.approx((0.5 / 25 + 0.5) / 2)
    assert rates[100] == pytest.approx(0.5 / 25 / 1e4, rel=1e-2)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()


def test_an_optimizer_follows_it():
    optimizer = keras.optimizers.SGD(OneCycle(1.0, 10))
    variable = keras.Variable(np.zeros(1, dtype=np.float32))
    optimizer.build([variable])
    steps = []
    for _ in range(10):
        before = float(variable.numpy()[0])
        optimizer.apply([keras.ops.convert_to_tensor([-1.0])], [variable])
        steps.append(float(variable.numpy()[0]) - before)
    schedule = OneCycle(1.0, 10)
    np.testing.assert_allclose(steps, [float(schedule(i)) for i in range(10)], rtol=1e-4, atol=1e-6)


def test_rates_to_try_grow_by_one_factor():
    np.testing.assert_allclose(rates_to_try(1e-4, 1.0, 5), [1e-4, 1e-3, 1e-2, 1e-1, 1.0])


def test_an_optimizer_that_rises_takes_them_a_step_each():
    schedule = LinearRamp(1e-4, 1.0, 9)
    rates = [float(schedule(step)) for step in range(9)]
    np.testing.assert_allclose(rates, rates_to_try(1e-4, 1.0, 9), rtol=1e-5)
    assert LinearRamp(**schedule.get_config()).get_config() == schedule.get_config()


def descent(steps=60):
    """Losses of a range test on a parabola: it diverges from rate 2 on."""
    rates = rates_to_try(1e-4, 100.0, steps)
    at, losses = 1.0, []
    for rate in rates:
        losses.append(at * at / 2)
        at -= rate * at
    return rates, losses


def test_the_rate_chosen_is_below_where_the_descent_breaks():
    rates, losses = descent()
    chosen = choose_rate(rates, losses)
    assert 0.02 < chosen < 1.0
    assert chosen * 10 == pytest.approx(min(rates, key=lambda r: abs(math.log(r / chosen / 10))))


def test_a_loss_that_is_no_number_ends_the_test():
    rates, losses = descent()
    wanted = choose_rate(rates, losses)
    worst = int(np.argmax(np.array(losses) > 10 * losses[0]))
    cut = [*losses[:worst], math.nan, *([0.0] * (len(losses) - worst - 1))]
    assert choose_rate(rates, cut) == wanted


@pytest.mark.parametrize("losses", [[1.0, 2.0, 3.0], [math.nan, 1.0, 0.5]])
def test_a_loss_that_never_falls_gives_no_rate(losses):
    with pytest.raises(ValueError, match="never fell"):
        choose_rate([0.1, 0.2, 0.3], losses)
