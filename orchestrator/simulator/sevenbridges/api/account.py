"""`GET /user`, `GET /rate_limit`, and the list of paths."""

from orchestrator.simulator.budget import Budget
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.handling import reset_of
from orchestrator.simulator.sevenbridges.world import World

_UNLIMITED = {"limit": -1, "remaining": 9223372036854775807}


class Account:
    """Who the user is, and what is left to it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.budget = Budget(world.knobs.limit)
        """Replaced by that of the platform."""

    def user(self, asked: Asked) -> Reply:
        """GET /user."""
        name = asked.user
        return asked.json(
            {
                "href": asked.href(f"/users/{name}"),
                "username": name,
                "email": f"{name}@example.org",
                "first_name": "Simulated",
                "last_name": "User",
                "affiliation": "",
                "phone": "",
                "address": "",
                "city": "",
                "state": "",
                "country": "",
                "zip_code": "",
                "role": "MEMBER",
            }
        )

    def rate_limit(self, asked: Asked) -> Reply:
        """GET /rate_limit: uses up nothing."""
        standing = self.budget.standing(asked.user, asked.now)
        reset = reset_of(asked.arrival.wall, standing.resets_in, self._world.knobs.rate_reset)
        rate = {"limit": standing.limit, "remaining": standing.left, "reset": reset}
        return asked.json({"rate": rate, "instance_limit": _UNLIMITED})

    def paths(self, asked: Asked) -> Reply:
        """GET /: without a credential, and free."""
        return asked.json({"rate_limit_url": asked.href("/rate_limit"), "user_url": asked.href("/user")})
