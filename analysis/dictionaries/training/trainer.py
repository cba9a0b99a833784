"""Learning a sparse dictionary by gradient descent: one step at a time, on whatever device the activations are."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.training.folding import Scaling, folded
from analysis.dictionaries.training.objectives import OBJECTIVES, Measured, Weights, largest
from analysis.dictionaries.training.plan import PENALISED, Plan, Step
from analysis.edits import Site

SETTLES = 0.02
"""How fast a penalty that is not given follows the number of active features."""
CALIBRATED = 2_048
"""States whose activations are in memory at a time when a threshold is set."""
REMEMBERS = 0.01
"""Weight of the newest batch in the threshold that is kept."""


class Trainer:
    """Weights on their way: call `step` with batches of centred activations of a mean length near sqrt(d_model).

    Source: TopK and the auxiliary loss: Gao et al. 2024, arXiv 2406.04093; BatchTopK: Bussmann et al. 2024,
        arXiv 2412.06410; nested widths: Bussmann et al. 2025, arXiv 2503.17547; the others as in `objectives`.
    Misleads when: it is stopped early: features that look alike, or fire at everything, often part later.
    """

    def __init__(self, plan: Plan, d_model: int, device: str | torch.device = "cpu", coarse: bool = False):
        """Make weights.

        Args:
            plan: what is trained.
            d_model: numbers of an activation.
            device: where the batches will be.
            coarse: let a bfloat16 product choose the candidates of which the largest are kept; faster where the
                processor has it, and every number that counts is still worked out in float32.
        """
        self.plan, self.d_model, self.coarse = plan, d_model, coarse
        generator = torch.Generator().manual_seed(plan.seed)
        rows = torch.randn(plan.width, d_model, generator=generator)
        rows = (rows / rows.norm(dim=1, keepdim=True)).to(device)

        def zeros(count: int) -> Tensor:
            return torch.zeros(count, device=device)

        made = Weights(
            encoder=rows if plan.sparsity == "pursuit" else rows.clone(),
            encoder_bias=zeros(plan.width),
            decoder=rows,
            decoder_bias=zeros(d_model),
            log_threshold=zeros(plan.width),
            gate_bias=zeros(plan.width),
            log_magnitude=zeros(plan.width),
        )
        self.weights = made
        self.idle = torch.zeros(plan.width, dtype=torch.long, device=device)
        """Activations seen since each feature last fired."""
        self.done = 0
        self.threshold = float("nan")
        """Of `batchtopk` and `matryoshka`: activation from which on a feature counts, on average of recent batches."""
        self.penalty = plan.penalty
        learnt = [getattr(made, name).requires_grad_() for name in _learnt(plan)]
        self._adam = torch.optim.Adam(
            learnt,
            lr=plan.rate,
            betas=(0.9, 0.999),
            eps=1e-8,
            fused=torch.device(device).type in ("cpu", "cuda"),
        )

    def step(self, batch: Float[Tensor, "point d_model"]) -> Step:
        """Learn from one batch."""
        if self.done == 0:
            self._begin(batch)
        rate = self._set_rate()
        made = OBJECTIVES[self.plan.sparsity](
            batch, self.weights, self.plan, self.penalty or 0.0, self.coarse
        )
        loss = made.loss + self.plan.auxiliary * self._auxiliary(batch, made.rest)
        self._adam.zero_grad()
        loss.backward()
        self._keep_lengths()
        self._adam.step()
        self._normalise()
        return self._told(batch, made, float(loss.detach()), rate)

    @torch.no_grad()
    def calibrate(self, states: Float[Tensor, "point d_model"]) -> None:
        """Set the threshold of `batchtopk` and `matryoshka` so that k features are active on average in these states.

        Args:
            states: as for `step`, not those of the last batches alone.
        """
        if self.plan.sparsity not in ("batchtopk", "matryoshka"):
            return
        w, k = self.weights, self.plan.k
        found = [
            largest(torch.addmm(w.encoder_bias, part - w.decoder_bias, w.encoder.T), 2 * k * len(part))[1]
            for part in states.split(CALIBRATED)
        ]
        values = torch.cat(found).sort(descending=True).values
        inside, outside = values[: k * len(states)], values[k * len(states) :]
        below = float(outside[0]) if len(outside) else 0.0
        self.threshold = (float(inside[-1]) + below) / 2 if len(inside) else 0.0

    def dictionary(
        self,
        name: str,
        site: Site,
        model: str = "",
        card: Mapping[str, object] | None = None,
        scaling: Scaling | None = None,
    ) -> SparseDictionary | MatchingPursuit:
        """What has been learnt so far, as a dictionary of states as they are.

        Args:
            name: for the person.
            site: where the states were read.
            model: its title.
            card: what else is known.
            scaling: what the states went through before they were batches; None is nothing.
        """
        scaling = scaling or Scaling(np.zeros(self.d_model, np.float32))
        return folded(self.weights, self.plan, self.threshold, scaling, site, name, model, card or {})

    def state(self) -> dict:
        """Everything that a resumed training needs."""
        weights = {name: getattr(self.weights, name).detach().clone() for name in _learnt(self.plan)}
        return {
            "plan": asdict(self.plan),
            "done": self.done,
            "idle": self.idle.clone(),
            "threshold": self.threshold,
            "penalty": self.penalty,
            "weights": weights,
            "adam": self._adam.state_dict(),
        }

    def resume(self, state: Mapping) -> None:
        """Go on from where `state` was taken."""
        with torch.no_grad():
            for name, values in state["weights"].items():
                getattr(self.weights, name).copy_(values)
        self.idle.copy_(state["idle"])
        self._adam.load_state_dict(state["adam"])
        self.done, self.threshold, self.penalty = state["done"], state["threshold"], state["penalty"]

    @torch.no_grad()
    def _begin(self, batch: Tensor) -> None:
        """Thresholds and the penalty begin where about 2 k random features would be active."""
        if self.plan.sparsity not in PENALISED:
            return
        some = batch[:256] @ self.weights.encoder.T
        start = float(some.flatten().topk(min(some.numel(), 2 * self.plan.k * len(some))).values.min())
        start = max(start, self.plan.bandwidth)
        self.weights.log_threshold.fill_(torch.log(torch.tensor(start)))
        if self.penalty is None:
            self.penalty = start**2 if self.plan.sparsity == "jumprelu" else start / 10

    def _set_rate(self) -> float:
        share, plan = self.done / self.plan.steps, self.plan
        grows = share / plan.warm_up if plan.warm_up else 1.0
        falls = (1 - share) / plan.decay if plan.decay else 1.0
        rate = plan.rate * min(1.0, grows, falls)
        for group in self._adam.param_groups:
            group["lr"] = rate
        return rate

    def _auxiliary(self, batch: Tensor, rest: Tensor) -> Tensor:
        """What the dead features, the most excited of them, fail to explain of what is left over."""
        dead = self.idle > self.plan.dead_after
        count = int(dead.sum())
        if not count or not self.plan.auxiliary:
            return rest.new_zeros(())
        most = max(1, self.d_model // 2)
        k, w = min(most, count), self.weights
        gates = torch.relu((batch - w.decoder_bias) @ w.encoder[dead].T + w.encoder_bias[dead])
        values, indices = gates.topk(k, dim=1)
        excited = torch.zeros_like(gates).scatter(1, indices, values)
        missed = (rest.detach() - excited @ w.decoder[dead]).pow(2).sum(1).mean()
        return min(count / most, 1.0) * missed

    def _keep_lengths(self) -> None:
        """A gradient along a decoder row would only change its length, which is one."""
        rows, slope = self.weights.decoder.detach(), self.weights.decoder.grad
        slope -= (slope * rows).sum(1, keepdim=True) * rows

    @torch.no_grad()
    def _normalise(self) -> None:
        self.weights.decoder.div_(self.weights.decoder.norm(dim=1, keepdim=True))

    @torch.no_grad()
    def _told(self, batch: Tensor, made: Measured, loss: float, rate: float) -> Step:
        self.idle = torch.where(made.fired > 0, 0, self.idle + len(batch))
        self.done += 1
        l0 = float(made.fired.sum()) / len(batch)
        self._follow(made, l0)
        variance = (batch - batch.mean(0)).pow(2).sum()
        return Step(
            number=self.done,
            unexplained=float(made.rest.pow(2).sum() / variance),
            l0=l0,
            dead=int((self.idle > self.plan.dead_after).sum()),
            rate=rate,
            loss=loss,
        )

    def _follow(self, made: Measured, l0: float) -> None:
        """The kept threshold, and the penalty, after a batch."""
        if made.threshold is not None:
            latest = float(made.threshold)
            before = latest if self.done == 1 else self.threshold
            self.threshold = (1 - REMEMBERS) * before + REMEMBERS * latest
        if self.plan.sparsity in PENALISED and self.plan.penalty is None:
            off = max(-1.0, min(1.0, l0 / self.plan.k - 1))
            self.penalty *= 1 + SETTLES * off


def _learnt(plan: Plan) -> tuple[str, ...]:
    if plan.sparsity == "pursuit":
        return "decoder", "decoder_bias"
    more = {"jumprelu": ("log_threshold",), "gated": ("gate_bias", "log_magnitude")}
    return ("encoder", "encoder_bias", "decoder", "decoder_bias", *more.get(plan.sparsity, ()))
