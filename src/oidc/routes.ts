/** Where the endpoints are, below the issuer. */
export const routes = {
  authorization: '/authorize',
  pushed_authorization_request: '/par',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  introspection: '/introspect',
  revocation: '/revoke',
  end_session: '/logout',
  device_authorization: '/device_authorization',
  backchannel_authentication: '/backchannel-authentication',
  code_verification: '/device',
  registration: '/register',
}
