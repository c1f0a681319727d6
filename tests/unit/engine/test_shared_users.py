"""Two accounts of one user: the one that comes later in the configuration is closed."""

import pytest

from orchestrator.domain.errors import SharedUser
from orchestrator.engine.shared_users import Users

URL = "https://ica.example.org/ica/rest"


def test_the_later_account_of_one_user_is_refused_and_the_other_named():
    """In the order of the configuration, whichever works first."""
    users = Users({"first": URL, "second": URL + "/"})
    users.check("second", "u1")
    users.check("first", "u1")
    with pytest.raises(SharedUser, match="account first"):
        users.check("second", "u1")


def test_another_user_or_another_address_is_no_conflict():
    """A key that is replaced by one of another user opens the account again."""
    users = Users({"first": URL, "second": URL, "third": "https://other.example.org"})
    users.check("first", "u1")
    users.check("third", "u1")
    users.check("second", "u2")
    with pytest.raises(SharedUser):
        users.check("second", "u1")
    users.check("second", "u2")
