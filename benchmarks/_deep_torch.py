"""PPO, DQN and SAC in plain PyTorch: `PYTHON _deep_torch.py TASK SEED SHARE`.

Written from the equations in the manner of CleanRL: Gymnasium's vector environment, one loop,
no framework. Truncated episodes are bootstrapped, as in mdpkit. Output as `_deep_sb3.py`.
"""

import sys
from itertools import pairwise

from _deep_tasks import TASKS, Clock, alone

alone()

import gymnasium as gym  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402


def mlp(inputs, widths, outputs, activation, last=1.0):
    """Orthogonal weights scaled by √2, by `last` in the last layer; biases 0."""
    sizes, layers = [inputs, *widths, outputs], []
    for i, (n, m) in enumerate(pairwise(sizes)):
        layer = nn.Linear(n, m)
        nn.init.orthogonal_(layer.weight, last if i == len(widths) else 2**0.5)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


def environments(task, lanes):
    """Lanes that reset themselves, and keep the observation they ended with."""
    mode = gym.vector.AutoresetMode.SAME_STEP
    return gym.vector.SyncVectorEnv(
        [lambda: gym.make(task["env"])] * lanes, autoreset_mode=mode
    )


def stepped(envs, action):
    """(observation, reward, terminated, over, observation truly reached)."""
    observation, reward, terminated, truncated, info = envs.step(action)
    over, reached = terminated | truncated, observation
    if over.any():
        reached = observation.copy()
        for i in np.flatnonzero(over):
            reached[i] = info["final_obs"][i]
    return observation, reward, terminated, over, reached


def sizes_of(envs):
    """Numbers of an observation; of actions, or of an action's numbers."""
    actions = envs.single_action_space
    outputs = int(actions.n) if hasattr(actions, "n") else actions.shape[0]
    return envs.single_observation_space.shape[0], outputs


def ppo(task, clock, seed):
    """Clipped ratios and generalized advantages; returns the greedy policy."""
    envs, n = environments(task, task["lanes"]), task["lanes"] * task["window"]
    inputs, outputs = sizes_of(envs)
    actor = mlp(inputs, task["widths"], outputs, nn.Tanh, 0.01)
    critic = mlp(inputs, task["widths"], 1, nn.Tanh)
    params = [*actor.parameters(), *critic.parameters()]
    adam = torch.optim.Adam(params, lr=task["rate"], eps=1e-5)
    observation, _ = envs.reset(seed=seed)
    rounds = -(-task["steps"] // n)
    for k in range(rounds):
        if clock.reached(k * n):
            break
        left = 1 - k / rounds
        adam.param_groups[0]["lr"] = left * task["rate"]
        clip = task["clip"] * (left if task["clip_falls"] else 1)
        observation, window = played(task, envs, actor, observation)
        rows = advantages(task, critic, *window)
        for _ in range(task["epochs"]):
            for part in torch.randperm(n).chunk(task["minibatches"]):
                loss = clipped_loss(task, actor, critic, clip, *(x[part] for x in rows))
                adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(params, task["norm"])
                adam.step()
    else:
        clock.reached(rounds * n)
    return lambda x: actor(x).argmax(-1)


def played(task, envs, actor, observation):
    """What is seen last, and a window: observations and those reached, actions, numbers."""
    shape = task["window"], task["lanes"]
    seen = torch.zeros(2, *shape, observation.shape[-1])
    actions, numbers = torch.zeros(shape, dtype=torch.long), torch.zeros(4, *shape)
    for t in range(shape[0]):
        x = torch.as_tensor(observation)
        with torch.no_grad():
            head = torch.distributions.Categorical(logits=actor(x))
            action = head.sample()
            numbers[0, t] = head.log_prob(action)
        seen[0, t], actions[t] = x, action
        observation, reward, ended, over, reached = stepped(envs, action.numpy())
        seen[1, t] = torch.as_tensor(reached)
        numbers[1:, t] = torch.as_tensor(np.stack([reward, ~ended, ~over]))
    return observation, (seen, actions, numbers)


@torch.no_grad()
def advantages(task, critic, seen, actions, numbers):
    """Rows: observation, action, log-probability, advantage, target of the value."""
    (log_probs, rewards, alive, uncut), (now, after) = numbers, critic(seen).squeeze(-1)
    delta = rewards + task["gamma"] * alive * after - now
    advantage, running = torch.zeros_like(now), torch.zeros_like(now[0])
    for t in reversed(range(len(delta))):
        running = delta[t] + task["gamma"] * task["lam"] * uncut[t] * running
        advantage[t] = running
    rows = (actions, log_probs, advantage, advantage + now)
    return seen[0].flatten(0, 1), *(x.reshape(-1) for x in rows)


def clipped_loss(task, actor, critic, clip, x, action, old, a, goal):
    """Of the policy, the value and the entropy."""
    head = torch.distributions.Categorical(logits=actor(x))
    ratio = (head.log_prob(action) - old).exp()
    a = (a - a.mean()) / (a.std() + 1e-8)
    gain = torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()
    value = F.mse_loss(critic(x).squeeze(-1), goal) / 2
    entropy = head.entropy().mean()
    return task["value_weight"] * value - gain - task["entropy_weight"] * entropy


class Replay:
    """Rows in arrays, drawn evenly."""

    def __init__(self, capacity, inputs, action):
        def empty(*shape, kind=np.float32):
            return np.zeros((capacity, *shape), kind)

        before, after, reward, alive = empty(inputs), empty(inputs), empty(), empty()
        self.rows = before, empty(*action.shape, kind=action.dtype), reward, alive, after
        self.n, self.rng = 0, np.random.default_rng(0)

    def add(self, *row):
        """Over the oldest."""
        for kept, x in zip(self.rows, row, strict=True):
            kept[self.n % len(kept)] = x
        self.n += 1

    def sample(self, n):
        """Tensors of n rows."""
        index = self.rng.integers(min(self.n, len(self.rows[0])), size=n)
        return [torch.as_tensor(kept[index]) for kept in self.rows]


def dqn(task, clock, seed):
    """Q-learning against a network copied now and then; returns the greedy policy."""
    envs, rng = environments(task, 1), np.random.default_rng(seed)
    inputs, outputs = sizes_of(envs)
    net, target = (mlp(inputs, task["widths"], outputs, nn.ReLU) for _ in range(2))
    target.load_state_dict(net.state_dict())
    adam = torch.optim.Adam(net.parameters(), lr=task["rate"])
    replay = Replay(task["capacity"], inputs, np.int64(0))
    observation, _ = envs.reset(seed=seed)
    start, stop, until = task["epsilon"]
    for k in range(task["steps"]):
        if k % task["collect"] == 0:
            if clock.reached(k):
                break
            if k > task["warm_up"]:
                learn(task, net, target, adam, replay.sample(task["batch"]))
            if k % (task["collect"] * task["refresh"]) == 0:
                target.load_state_dict(net.state_dict())
        over = min(k / (until * task["steps"]), 1)
        if rng.random() < (1 - over) * start + over * stop:
            action = rng.integers(outputs, size=1)
        else:
            with torch.no_grad():
                action = net(torch.as_tensor(observation)).argmax(-1).numpy()
        after, reward, ended, _, reached = stepped(envs, action)
        replay.add(observation[0], action[0], reward[0], ~ended[0], reached[0])
        observation = after
    else:
        clock.reached(task["steps"])
    return lambda x: net(x).argmax(-1)


def learn(task, net, target, adam, rows):
    """One step of Q-learning."""
    x, a, r, alive, y = rows
    with torch.no_grad():
        goal = r + task["gamma"] * alive * target(y).amax(-1)
    loss = F.mse_loss(net(x).gather(1, a[:, None]).squeeze(1), goal)
    adam.zero_grad()
    loss.backward()
    adam.step()


class Squashed(nn.Module):
    """An action in ±high and its log-probability; its mode without a sample."""

    def __init__(self, inputs, widths, m, high):
        super().__init__()
        self.net, self.high = mlp(inputs, widths, 2 * m, nn.ReLU, 0.01), high

    def forward(self, x, greedy=False):
        """Reparameterized."""
        mean, log_std = self.net(x).chunk(2, -1)
        if greedy:
            return self.high * mean.tanh()
        log_std = log_std.clamp(-5, 2)
        noise = torch.randn_like(mean)
        u = mean + log_std.exp() * noise
        density = -(noise**2 / 2 + log_std + 0.5 * np.log(2 * np.pi))
        slope = 2 * (np.log(2) - u - F.softplus(-2 * u)) + np.log(self.high)
        return self.high * u.tanh(), (density - slope).sum(-1)


def sac(task, clock, seed):
    """Two critics, a policy that follows the lower one, a temperature; returns the mode."""
    envs = environments(task, 1)
    inputs, m = sizes_of(envs)
    actor = Squashed(inputs, task["widths"], m, float(envs.single_action_space.high[0]))
    both, held = (
        nn.ModuleList(mlp(inputs + m, task["widths"], 1, nn.ReLU) for _ in range(2))
        for _ in range(2)
    )
    held.load_state_dict(both.state_dict())
    log_tau = torch.zeros((), requires_grad=True)
    params = both.parameters(), actor.parameters(), [log_tau]
    optimizers = [torch.optim.Adam(p, lr=task["rate"]) for p in params]
    replay = Replay(task["capacity"], inputs, np.zeros(m, np.float32))
    observation, _ = envs.reset(seed=seed)
    for k in range(task["steps"]):
        if clock.reached(k):
            break
        with torch.no_grad():
            action = actor(torch.as_tensor(observation))[0].numpy()
        after, reward, ended, _, reached = stepped(envs, action)
        replay.add(observation[0], action[0], reward[0], ~ended[0], reached[0])
        observation = after
        if k < task["warm_up"]:
            continue
        batch = replay.sample(task["batch"])
        for loss, optimizer in zip(
            soft_losses(task, actor, both, held, log_tau, *batch), optimizers, strict=True
        ):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            for old, new in zip(held.parameters(), both.parameters(), strict=True):
                old.lerp_(new, task["polyak"])
    else:
        clock.reached(task["steps"])
    return lambda x: actor(x, greedy=True)


def soft_losses(task, actor, both, held, log_tau, x, a, r, alive, y):
    """Of the critics, the policy and the temperature, each when the one before has stepped."""

    def values(critics, x, a):
        return torch.cat([critic(torch.cat([x, a], -1)) for critic in critics], -1)

    tau = log_tau.exp().detach()
    with torch.no_grad():
        following, log_prob = actor(y)
        soft = values(held, y, following).amin(-1) - tau * log_prob
        goal = (r + task["gamma"] * alive * soft)[:, None].expand(-1, 2)
    yield F.mse_loss(values(both, x, a), goal)
    own, log_prob = actor(x)
    yield (tau * log_prob - values(both, x, own).amin(-1)).mean()
    yield log_tau.exp() * (a.shape[-1] - log_prob.detach()).mean()


def judged(task, policy, seed):
    """The mean return of 20 episodes."""
    envs = environments(task, 20)
    observation, _ = envs.reset(seed=1000 + seed)
    earned, running = np.zeros(20), np.ones(20, bool)
    while running.any():
        with torch.no_grad():
            action = policy(torch.as_tensor(observation)).numpy()
        observation, reward, _, over, _ = stepped(envs, action)
        earned += running * reward
        running &= ~over
    return float(earned.mean())


def main(name, seed, share):
    """Train, and say how long it took."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    task = TASKS[name]
    clock = Clock(task, share)
    train = {"PPO": ppo, "DQN": dqn, "SAC": sac}[task["algorithm"]]
    policy = train(task, clock, seed)
    found = judged(task, policy, seed) if share == 1 else None
    versions = {x.__name__: x.__version__ for x in (torch, gym)}
    clock.report(**{"return": found, "versions": versions})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
