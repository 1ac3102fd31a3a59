import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { foreignJwtFault, readForeignJwt } from '../signing/foreign-jwt.ts'
import { refusedMetadata } from './asked-metadata.ts'
import { type RegistrationPolicy, registrable } from './policy.ts'
import { createStatementKeys } from './statement-keys.ts'

/** What a trusted issuer says of a client that registers. */
export interface Vouched {
  /** As presented. */
  statement: string
  issuer: string
  /** The members in the statement, which override those that the client sends (RFC 7591 §2.3). */
  members: Record<string, unknown>
}

/** Software statements (RFC 7591 §2.3, §3.1.1). */
export interface SoftwareStatements {
  /**
   * | the policy, the statement                       | becomes                                   |
   * |-------------------------------------------------|-------------------------------------------|
   * | has no issuers                                  | nothing: it is ignored (RFC 7591 §3.1.1)  |
   * | none is presented, none was before              | nothing, unless the policy requires one   |
   * | none is presented, one was before               | that one, while its issuer is trusted     |
   * | of an issuer that is not trusted                | `software_statement_unapproved`           |
   * | no JWT, another signature, expired, for others  | `software_statement_invalid`              |
   * @param about presented: by the client; before: the statement that it registered with
   * @throws DomainError those two, `client_metadata_invalid` for one that is missing, `issuer_keys_unavailable`
   */
  judge(
    policy: RegistrationPolicy,
    about: { issuer: string; presented: unknown; before: string | undefined },
  ): Promise<Vouched | undefined>
}

export function createSoftwareStatements(
  deps: Pick<Platform, 'clock' | 'fetch'>,
): SoftwareStatements {
  const keys = createStatementKeys(deps)
  const invalid = (received: string) =>
    new DomainError('software_statement_invalid', {
      detail: { expected: 'a JWT that is signed by a trusted issuer', received },
    })

  return {
    async judge({ software_statements: trusted }, { issuer, presented, before }) {
      if (!trusted) return undefined
      const statement = presented ?? before
      if (statement === undefined) {
        if (!trusted.required) return undefined
        throw refusedMetadata(['software_statement: is required by this tenant'])
      }
      const read = readForeignJwt(statement)
      if (!read) throw invalid('not a JWT of at most 8 KiB')
      const source = trusted.issuers.find((each) => each.issuer === read.issuer)
      if (!source) {
        throw new DomainError('software_statement_unapproved', {
          detail: {
            expected: trusted.issuers.map((each) => each.issuer).join(', '),
            received: read.issuer?.slice(0, 300) ?? 'no iss',
          },
        })
      }
      // A statement is verified once: later it may have expired.
      if (statement !== before) {
        const own = source.jwks?.keys ?? (await keys.at(source.jwks_uri as string, read.kid))
        const fault = await foreignJwtFault(statement as string, own, {
          issuer: source.issuer,
          algorithms: source.algorithms,
          audience: issuer,
          now: deps.clock.now(),
        })
        if (fault !== undefined) throw invalid(fault)
      }
      const members = registrable.flatMap((member) =>
        Object.hasOwn(read.claims, member) ? [[member, read.claims[member]]] : [],
      )
      // Postgres cannot store these in a JSON value.
      if (/\\u(0000|d[89a-f])/i.test(JSON.stringify(members))) throw invalid('U+0000')
      return {
        statement: statement as string,
        issuer: source.issuer,
        members: Object.fromEntries(members) as Record<string, unknown>,
      }
    },
  }
}
