"""Notebook 10's instrument: choose a tower and a stage, and ask the same scene."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.nb10_alignment import AskedScene
from phi3lib.lab.lessons.nb10_towers import TOWERS, stages_of, with_tower
from phi3lib.lab.widgets.base import PanelInstrument, number_among
from phi3lib.lab.widgets.panel import Control, choice
from phi3lib.vision.answers import answer

MOST_KEPT = 3  # models in memory


class SwitchState:
    """Which tower, after which stage, looks at which scene; and what the model then answers.

    Plain state; holds no widget. Raises ValueError for names and numbers that there are not.
    """

    def __init__(
        self,
        phi3: Any,
        scenes: Sequence[AskedScene],
        tower: str = "clip",
        stage: str = "nothing",
        scene: int = 0,
    ) -> None:
        self.phi3, self.scenes = phi3, list(scenes)
        self.scene = number_among(len(self.scenes), scene, "scene")
        self._models: dict[tuple[str, str], Any] = {}
        self.set(tower, stage)

    def set(self, tower: str, stage: str) -> None:
        """Choose tower and stage. Raises ValueError for a stage that this tower was not trained in."""
        if stage not in stages_of(tower):
            raise ValueError(
                f"the tower {tower!r} has no stage {stage!r}; it has: {', '.join(stages_of(tower))}"
            )
        self.tower, self.stage = tower, stage

    def answers(self) -> list[tuple[str, str, str]]:
        """Return (question, answer, right answer) for the scene's questions, one of each topic."""
        scene = self.scenes[self.scene]
        asked = list({question.topic: question for question in scene.questions}.values())
        said = answer(
            self.model(), [scene.image] * len(asked), [one.text for one in asked], max_new_tokens=12
        )
        return [(one.text, text, one.answer) for one, text in zip(asked, said, strict=True)]

    def model(self) -> Any:
        """Return the model with the chosen tower and stage; the last few are kept."""
        key = (self.tower, self.stage)
        if key not in self._models:
            if len(self._models) >= MOST_KEPT:
                self._models.pop(next(iter(self._models)))
            self._models[key] = (
                self.phi3
                if self.tower == "original"
                else with_tower(self.phi3, self.tower, stages_of(self.tower)[self.stage])
            )
        return self._models[key]


class TowerSwitch(PanelInstrument):
    """Choose tower, stage and scene; the model's answers are shown beside the right ones."""

    title = "Tower switch"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {"scene": (0, 1, 2, 3)}
    limits_without_kernel = "Four of the scenes can be chosen here. The others need a kernel."

    def __init__(
        self,
        phi3: Any,
        scenes: Sequence[AskedScene],
        *,
        tower: str = "clip",
        stage: str = "nothing",
        scene: int = 0,
    ) -> None:
        super().__init__()
        self.state = SwitchState(phi3, scenes, tower, stage, scene)

    def still(self) -> plots.Still:
        """Return the scene, and beside it questions with answers; wrong ones are marked with a cross."""
        state, answers = self.state, self.state.answers()
        fig, axes = plots.figure(1, 2, height=2.4, gridspec_kw={"width_ratios": [1.0, 2.6]})
        title = f"tower: {state.tower}; trained: {state.stage}"
        plots.picture_axes(axes[0], state.scenes[state.scene].image, f"scene {state.scene}")
        axes[1].set_axis_off()
        plots.write_title(axes[1], title, loc="left")
        for row, (asked, said, right) in enumerate(answers):
            mark = "✓" if said == right else "✗"
            color = plots.BLUE if said == right else plots.VERMILION
            height = 0.92 - row * 0.2
            axes[1].text(0.0, height, asked, va="top", fontsize=8.5)
            said = said if len(said) < 70 else said[:69] + "…"
            axes[1].text(0.03, height - 0.085, f"{mark} {said}", va="top", fontsize=8.5, color=color)
        return plots.still(fig, alt=self.sentence(answers))

    def sentence(self, answers: Sequence[tuple[str, str, str]]) -> str:
        """Describe the state in one sentence (used as alt text)."""
        state = self.state
        right = sum(said == wanted for _, said, wanted in answers)
        told = "; ".join(f"{asked} {said!r} ({wanted!r} is right)" for asked, said, wanted in answers)
        return (
            f"With the tower {state.tower!r} after {state.stage}, {right} of {len(answers)} answers about "
            f"scene {state.scene} are right: {told}."
        )

    def controls(self) -> list[Control]:
        """Return the controls: tower, stage and scene."""
        state = self.state
        stages = list(dict.fromkeys(stage for tower in TOWERS for stage in stages_of(tower)))
        return [
            choice("tower", "Tower", TOWERS, state.tower, [f"{n}: {says}" for n, says in TOWERS.items()]),
            choice("stage", "What was trained", stages, state.stage),
            choice("scene", "Scene", range(len(state.scenes)), state.scene),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set tower, stage and scene."""
        self.state.set(chosen["tower"], chosen["stage"])
        self.state.scene = chosen["scene"]
