/**
 * Verifies access tokens of a Keyturn issuer offline, and follows its revocations. Uses web standards only: no modules
 * of a particular runtime.
 */
export type { AccessTokenClaims } from './access-token.ts'
export type { MtlsOptions, Presented } from './binding.ts'
export type { ClientCredentials } from './client.ts'
export type { DpopOptions } from './dpop.ts'
export { type RefusalCode, type RefusalReason, TokenRefused, Unavailable } from './faults.ts'
export type { FeedOptions, FeedStatus } from './feed/feed.ts'
export type { Guarantee } from './guarantee.ts'
export type { IntrospectionOptions } from './introspection.ts'
export type { KeySetOptions } from './key-set.ts'
export { tokenOf } from './node-request.ts'
export type { VerifierOptions } from './options.ts'
export type { Policy } from './policy.ts'
export type { ApiRequest } from './presented-token.ts'
export type { Decision } from './protect.ts'
export type { ResourceMetadata, ResourceMetadataOptions } from './resource-metadata.ts'
export { createVerifier, type VerifiedToken, type Verifier } from './verifier.ts'
