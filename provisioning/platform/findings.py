"""What is wrong with what is installed, and what to do about it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PlatformFinding:
    """Both are for people, who read them at night. Raises: ValueError where one is empty."""

    what: str
    next_action: str

    def __post_init__(self) -> None:
        if not self.what or not self.next_action:
            raise ValueError(f"a finding says what is wrong and what to do: {self}")

    def __str__(self) -> str:
        return f"{self.what}. Next: {self.next_action}"
