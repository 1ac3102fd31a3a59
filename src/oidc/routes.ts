/** The paths of the endpoints below the issuer. */
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

/** The endpoints that only begin what takes more requests. */
export const beginnings: ReadonlySet<string> = new Set([
  routes.authorization,
  routes.pushed_authorization_request,
  routes.device_authorization,
  routes.backchannel_authentication,
  routes.registration,
])
