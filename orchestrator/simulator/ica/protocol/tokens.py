"""Who is asking: API keys, logins, and JSON Web Tokens signed with HS256."""

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass

import msgspec

from orchestrator.clock import Micros
from orchestrator.simulator import simulated
from orchestrator.simulator.exchange import Request
from orchestrator.simulator.ica.config import Config

_SECOND: Micros = 1_000_000
_SPACE = uuid.UUID("8a1f6c52-7f52-4a51-9f0a-2f8f3d6f2d11")


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    sub: str
    exp: float
    iat: float
    aud: list[str]
    refreshable: bool = False


@dataclass(frozen=True, slots=True)
class Identity(simulated.Identity):
    """A user, and the token that showed who it is."""

    claims: Claims | None = None


ANONYMOUS = Identity("anonymous", valid=False)


class Tokens:
    """Makes tokens and recognises users by them."""

    def __init__(self, config: Config) -> None:
        self._secret = hashlib.sha256(f"token secret {config.seed}".encode()).digest()
        self._keys = {key: user_of(key) for key in config.api_keys}
        self._logins = {f"{email}:{password}": user_of(email) for email, password in config.logins}

    def issue(self, user: str, *, now: Micros, seconds: float, refreshable: bool = False) -> str:
        """A token for `user` that expires `seconds` after `now`."""
        issued = now / _SECOND
        claims = Claims(sub=user, exp=issued + seconds, iat=issued, aud=["ica"], refreshable=refreshable)
        signed = _encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + _encode(msgspec.json.encode(claims))
        return (signed + b"." + self._sign(signed)).decode()

    def identify(self, request: Request, now: Micros) -> Identity:
        """The user behind a request; not `valid` for a wrong or expired credential."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self._by_token(credential.strip(), now)
            case "basic":
                return self._by_login(credential.strip())
            case _:
                return self._by_key(request.headers.get("x-api-key", ""))

    def _by_key(self, key: str) -> Identity:
        user = self._keys.get(key)
        return Identity(user) if user else ANONYMOUS

    def _by_login(self, credential: str) -> Identity:
        try:
            user = self._logins.get(base64.b64decode(credential, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            return ANONYMOUS
        return Identity(user) if user else ANONYMOUS

    def _by_token(self, token: str, now: Micros) -> Identity:
        signed, _, signature = token.encode().rpartition(b".")
        if not signed or not hmac.compare_digest(self._sign(signed), signature):
            return ANONYMOUS
        claims = msgspec.json.decode(_decode(signed.partition(b".")[2]), type=Claims)
        return Identity(claims.sub, valid=now < claims.exp * _SECOND, claims=claims)

    def _sign(self, signed: bytes) -> bytes:
        return _encode(hmac.digest(self._secret, signed, "sha256"))


def user_of(name: str) -> str:
    """The user id behind an API key or an e-mail address."""
    return str(uuid.uuid5(_SPACE, name))


def another_user(user: str) -> str:
    """Somebody else, always the same for the same user."""
    return user_of(f"not {user}")


def _encode(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
