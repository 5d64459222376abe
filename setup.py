"""The package octane-salt: the library and commands of the upgrade, its lab, and the tree that Salt serves."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
ENTRY_POINTS = {
    "console_scripts": [
        "octane = octane.cli.app:main",
        "octane-lab = lab.cli:main",
    ],
    # The commands of octane; what another package adds here is a command too.
    "octane.commands": [
        "prepare = octane.cli.stages:Prepare",
        "upgrade-env = octane.cli.stages:UpgradeEnv",
        "upgrade-db = octane.cli.stages:UpgradeDb",
        "upgrade-control = octane.cli.stages:UpgradeControl",
        "upgrade-node = octane.cli.stages:UpgradeNode",
        "rollback-env = octane.cli.stages:RollbackEnv",
        "rollback-db = octane.cli.stages:RollbackDb",
        "rollback-control = octane.cli.stages:RollbackControl",
        "cleanup-env = octane.cli.stages:CleanupEnv",
        "cleanup-fuel = octane.cli.stages:CleanupFuel",
        "plan = octane.cli.plan:Plan",
        "plan_waves = octane.cli.plan_waves:PlanWaves",
        "status = octane.cli.status:Status",
    ],
}


def requirements(name: str) -> list[str]:
    """The lines of requirements/NAME.in that name a package."""
    lines = (HERE / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def files_below(top: str) -> list[Path]:
    """Files below TOP, without what Python compiled."""
    return sorted(path for path in (HERE / top).rglob("*") if path.is_file() and path.suffix != ".pyc")


def package_data(package: str) -> list[str]:
    """What a package holds besides Python: its data files, also below folders that are no packages."""
    return [str(path.relative_to(HERE / package)) for path in files_below(package) if path.suffix != ".py"]


def served(top: str) -> list[tuple[str, list[str]]]:
    """Files below TOP, folder by folder, as what is installed below share/octane for Salt to serve."""
    folders: dict[str, list[str]] = {}
    for path in files_below(top):
        inside = path.relative_to(HERE)
        folders.setdefault(f"share/octane/{inside.parent}", []).append(str(inside))
    return sorted(folders.items())


setup(
    name="octane-salt",
    version="0.1.0",
    description="Upgrades an OpenStack cloud deployed by Fuel 6.1 to 7.0 under Salt, workloads running",
    python_requires=">=3.10",
    packages=find_packages(include=["octane", "octane.*", "lab", "lab.*"]),
    package_data={package: package_data(package) for package in ("octane", "lab")},
    data_files=served("salt") + served("pillar"),
    install_requires=requirements("product"),
    extras_require={"lab": requirements("lab"), "test": requirements("test")},
    entry_points=ENTRY_POINTS,
)
