"""What can go wrong between facts and a running node."""


class DeploymentError(Exception):
    """A node or an environment cannot be deployed; the message names the node and the thing."""


class UnsupportedFacts(DeploymentError):
    """The facts ask for something that this deployer does not build."""
