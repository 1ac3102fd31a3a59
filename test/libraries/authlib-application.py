"""A minimal application and API on Authlib, which the tests browse.

    python3 authlib-application.py CONFIGURATION

CONFIGURATION is a JSON file: `port`, `issuer`, `redirect_uri`, `audience` (of the API) and `clients`, by
name: `client_id`, `secret` (or a private key in PEM) and `method`.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken

with open(sys.argv[1], encoding='utf-8') as file:
    CONFIG = json.load(file)
ISSUER = CONFIG['issuer']
SERVER = requests.get(f'{ISSUER}/.well-known/openid-configuration', timeout=5).json()
KEYS = JsonWebKey.import_key_set(requests.get(SERVER['jwks_uri'], timeout=5).json())


def session_of(name):
    client = CONFIG['clients'][name]
    # The audience must be the issuer; the default of Authlib is the token endpoint.
    signing = client['method'] == 'private_key_jwt'
    method = PrivateKeyJWT(ISSUER, alg='ES256') if signing else client['method']
    return OAuth2Session(
        client['client_id'],
        client['secret'],
        scope=client.get('scope'),
        redirect_uri=CONFIG['redirect_uri'],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        code_challenge_method='S256',
    )


SESSIONS = {name: session_of(name) for name in CONFIG['clients']}
PENDING = {}


def login(name, _):
    verifier, nonce = generate_token(64), generate_token(32)
    url, state = SESSIONS[name].create_authorization_url(
        SERVER['authorization_endpoint'], code_verifier=verifier, nonce=nonce
    )
    PENDING[state] = name, verifier, nonce
    return {'location': url}


def callback(_, request):
    query = parse_qs(urlsplit(request.path).query)
    [state] = query['state']
    name, verifier, nonce = PENDING.pop(state)
    if query['iss'] != [ISSUER]:
        raise ValueError('the answer of another server')
    session = SESSIONS[name]
    session.fetch_token(
        SERVER['token_endpoint'],
        authorization_response=request.path,
        state=state,
        code_verifier=verifier,
    )
    return {
        'id_token': verify_id_token(session, nonce),
        'userinfo': session.get(SERVER['userinfo_endpoint']).json(),
        'access_token': session.token['access_token'],
    }


def verify_id_token(session, nonce):
    claims = JsonWebToken(['RS256']).decode(
        session.token['id_token'],
        KEYS,
        claims_cls=CodeIDToken,
        claims_options={'iss': {'values': [ISSUER]}, 'aud': {'values': [session.client_id]}},
        claims_params={'nonce': nonce, 'client_id': session.client_id, **session.token},
    )
    claims.validate(leeway=30)
    return claims


def refresh(name, _):
    session = SESSIONS[name]
    session.refresh_token(SERVER['token_endpoint'])
    return {
        'id_token': verify_id_token(session, None),
        'access_token': session.token['access_token'],
    }


def revoke(name, _):
    session = SESSIONS[name]
    answer = session.revoke_token(
        SERVER['revocation_endpoint'],
        token=session.token['refresh_token'],
        token_type_hint='refresh_token',
    )
    return {'status': answer.status_code}


def credentials(name, _):
    session = SESSIONS[name]
    token = session.fetch_token(
        SERVER['token_endpoint'], grant_type='client_credentials', resource=CONFIG['audience']
    )
    return dict(token)


def introspect(name, request):
    answer = SESSIONS[name].introspect_token(SERVER['introspection_endpoint'], token=bearer(request))
    return answer.json()


def bearer(request):
    return request.headers['Authorization'].removeprefix('Bearer ')


def verify_access_token(token):
    """The six checks of docs/clients.md. Raises an exception if one fails."""
    claims = JsonWebToken(['ES256']).decode(
        token,
        KEYS,
        claims_options={
            'iss': {'essential': True, 'value': ISSUER},
            'aud': {'essential': True, 'value': CONFIG['audience']},
            'exp': {'essential': True},
        },
    )
    claims.validate(leeway=30)
    if claims.header.get('typ') != 'at+jwt':
        raise ValueError('no access token')
    if 'orders:read' not in claims['scope'].split():
        raise ValueError('not for this')
    return claims


def api(_, request):
    return verify_access_token(bearer(request))


ACTIONS = {
    action.__name__: action
    for action in (login, callback, refresh, revoke, credentials, introspect, api)
}


class Application(BaseHTTPRequestHandler):
    """Serves `/ACTION/CLIENT`; an exception becomes a 401."""

    def do_GET(self):
        try:
            action, _, name = urlsplit(self.path).path.strip('/').partition('/')
            status, answer = 200, ACTIONS[action](name, self)
        except Exception as fault:  # pylint: disable=broad-except
            status, answer = 401, {'fault': repr(fault)}
        location = answer.get('location')
        self.send_response(status if location is None else 302)
        if location is not None:
            self.send_header('Location', location)
        self.send_header('Content-Type', 'application/json')
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        pass


ThreadingHTTPServer(('127.0.0.1', CONFIG['port']), Application).serve_forever()
