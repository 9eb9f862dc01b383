"""HAMU: each step promises a forget gain and costs the retain set as little as can be.

Source: Chen et al., arXiv 2606.02119 (the step, its thresholds, the layer-wise bound). Ours: the
quota is what is still owed to per-sample targets, a trust region that is checked on the forget set
itself, success as a reason to stop, and a stop on harm with a price.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.training import device_of, evaluate
from models.unlearning.contract import Diverged, Stop, Trace, Unlearned
from models.unlearning.gradients import (
    batch_losses,
    full_batches,
    gradient,
    movable,
    move,
    put_back,
    require_both_sets,
    saved,
    triples,
    working_copy,
)
from models.unlearning.hamu_step import (
    Form,
    Plan,
    capacity,
    clip,
    cosines,
    plan,
    thresholds,
    attainable_gain,
)
from models.unlearning import targets as T


def hamu(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    seed: int,
    progress: Progress,
    targets: Tensor | None = None,
    aim: str = "samples",
    fallback: str = "mean",
    band: float | None = None,
    steps: int = 150,
    rate: float = 0.05,
    ceiling: float = 0.8,
    pace: float = 0.3,
    reach: float = 2e-3,
    max_reach: float = 0.05,
    growth: float = 1.5,
    overshoot: float = 0.1,
    batch_size: int = 256,
    forget_batch: int = 512,
    max_norm: float = 1.0,
    price: float = 0.2,
    patience: int = 5,
    verbose=False,
) -> Unlearned:
    require_both_sets(split)
    student = working_copy(network)
    params = movable(student)
    dev = device_of(student)
    val = evaluate(student, split.validation, recipe.losses)
    f0 = evaluate(student, split.forget, recipe.losses)
    if not torch.isfinite(f0).all():
        raise Diverged("x")
    if targets is None:
        if fallback == "mean":
            targets = T.class_means(val, split.validation.strata, split.forget.strata)
            own = T.class_means(val, split.validation.strata, split.validation.strata)
            vd = (
                T.class_means(
                    (own - val).clamp(min=0), split.validation.strata, split.forget.strata
                )
                .mean()
                .item()
            )
        else:
            targets = T.class_quantiles(val, split.validation.strata, split.forget.strata, f0)
            vd = 0.1 * float(targets.mean())
        if band is None:
            band = vd if aim == "samples" else 0.05 * float(targets.mean())
    elif band is None:
        band = 0.1 * float(targets.mean())
    tau = targets.to(dev)
    mean_tau = float(tau.mean())
    limit = max(mean_tau, float(f0.mean())) + overshoot * mean_tau

    def owed(l, t):  # deficit
        if aim == "samples":
            return (t - l).clamp(min=0).mean()
        return (t - l).mean()

    whole = len(split.forget) <= forget_batch
    every = 1 if whole else max(1, min(5, len(split.forget) // forget_batch))
    good = saved(params)
    good_owed = None
    promised = 0.0
    wnorm = float(torch.stack([p.detach().norm() for p in params]).norm())
    radius = reach * wnorm
    cols = {}

    def log(**k):
        for a, b in k.items():
            cols.setdefault(a, []).append(float(b))

    ema = None
    bad = 0
    stop = Stop.BUDGET
    passes = 0
    redo = 0
    since = 0
    with seeded(seed) as g:
        rit = full_batches(len(split.retain), batch_size, generator=g)
        fit = full_batches(len(split.forget), forget_batch, generator=g)
        for step in range(steps):
            rows = next(fit)
            lf = batch_losses(student, recipe, split.forget, rows)
            t = tau[rows.to(dev)]
            o = owed(lf, t)
            passes += len(rows)
            if whole or since >= every or step == 0:
                if whole:
                    allo, mean = float(o), float(lf.mean())
                else:
                    fl = evaluate(student, split.forget, recipe.losses).to(dev)
                    allo, mean = float(owed(fl, tau)), float(fl.mean())
                realised = float("nan") if good_owed is None else good_owed - allo
                if good_owed is not None and (
                    not np.isfinite(mean) or mean > limit or realised < 0.25 * promised
                ):
                    if verbose:
                        print(step, "UNDO", mean, limit, realised, promised)
                    put_back(params, good)
                    radius *= 0.5
                    growth = 1.2
                    promised = 0
                    since = 0
                    redo += 1
                    if redo > 8:
                        break
                    continue
                if good_owed is not None:
                    radius = min(radius * growth, max_reach * wnorm)
                redo = 0
                torch._foreach_copy_(good, [p.detach() for p in params])
                good_owed = allo
                promised = 0
                since = 0
                if allo <= band:
                    stop = Stop.FORGOTTEN
                    break
            value = -o
            rr = next(rit)
            lr = batch_losses(student, recipe, split.retain, rr)
            passes += len(rr)
            gr = gradient(lr.mean(), params)
            gf = gradient(value, params)
            raw = triples(gr, gf)
            tri, cr, cf = clip(raw, max_norm)
            A = capacity(tri)
            if A < 1e-20:
                stop = Stop.ZERO_GRADIENT
                break
            ngr = np.sqrt(tri[:, 0].sum())
            eta_hi = radius / ngr
            Q = min(pace * max(good_owed, 0) * cf, ceiling * eta_hi * A)
            eta = min(eta_hi, max(rate, Q / (ceiling * A)))
            q = Q / (eta * A)
            pl = plan(tri, rate=eta, share=q)
            pf, pr = pl.forget_gain / cf, pl.retain_change / cr
            harm = pr - price * pf
            ema = harm if ema is None else 0.9 * ema + 0.1 * harm
            bad = bad + 1 if ema > 0 else 0
            log(
                cos=cosines(tri).mean(),
                q=q,
                A=A,
                eta=eta,
                radius=radius / wnorm,
                pf=pf,
                pr=pr,
                lf=lf.mean(),
                lr=lr.mean(),
                owed=good_owed,
                realised=realised,
                ema=ema,
                direct=pl.direct.mean(),
                gr=np.sqrt(raw[:, 0].sum()),
                gf=np.sqrt(raw[:, 1].sum()),
            )
            if verbose:
                print(step, {k: round(v[-1], 4) for k, v in cols.items()})
            if bad >= patience:
                stop = Stop.HARM
                break
            move(params, gr, gf, by_retain=pl.retain * cr, by_forget=pl.forget * cf)
            promised += pf
            since += 1
    if stop is not Stop.FORGOTTEN:
        pass
    put_back(params, good)
    return Unlearned(
        student.eval(),
        Trace(stop, len(cols.get("q", [])), passes, cols, (f"band {band:.4f} tau {mean_tau:.4f}",)),
    )
