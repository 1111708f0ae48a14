"""A plasticity rule of one's own, evolved for half a minute: ``python examples/own_rule.py``."""

import hebbian_gym as hg


@hg.register_rule("oja")  # the parameters after weight are what evolves, for every synapse its own
def oja(pre, post, weight, eta):
    """Oja (1982, J. Math. Biology 15:267), eq. 3: Hebbian growth that forgets, so that weights stay bounded."""
    return eta * post * (pre - post * weight)


if __name__ == "__main__":  # workers import this file, too: they need the rule, but must not evolve themselves
    # Oja's rule does not tell a neuron from its mirror image, so births must: from random ones half would steer away.
    policy = hg.HebbianPolicy.for_env("CartPole-v1", rule="oja", hidden=(8,), initial_weights="ones")
    before = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    es = hg.OpenAIES(policy.genome, population_size=50, sigma=0.2, learning_rate=0.2, optimizer="adam")
    hg.train(policy, es, hg.Task("CartPole-v1", episodes=2), generations=15, workers=2)
    after = hg.evaluate(policy, "CartPole-v1", episodes=50).score.mean()
    print(f"mean score of 50 lifetimes: before evolution {before:.0f}, after {after:.0f} (of 500)")
