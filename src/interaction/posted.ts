import type { RouterContext } from '@koa/router'
import { DomainError } from '../errors.ts'
import { readForm } from '../http/parameters.ts'
import type { Interaction } from '../oidc/interactions.ts'
import type { PageParts } from './parts.ts'

/**
 * A form posted by a page of an interaction, from the browser that the interaction belongs to.
 * @param step the step that must be due; undefined: any
 * @throws DomainError `interaction_not_found`, `csrf_failed`, `body_too_large`, `too_many_parameters`
 */
export async function posted(
  { config, csrf, interactions }: PageParts,
  ctx: RouterContext,
  step?: Interaction['step'],
): Promise<{ uid: string; interaction: Interaction; form: Record<string, string> }> {
  const uid = ctx.params['uid'] as string
  const interaction = await interactions.find(ctx, uid)
  const form = await readForm(ctx, config.bodyLimit)
  csrf.check(ctx, uid, form['csrf'])
  if (step) requireStep(interaction, step)
  return { uid, interaction, form }
}

/** URLs of an interaction, below a base path: its page, or what a step posts to or shows. */
export const interactionAddress =
  (basePath: string) =>
  (uid: string, step?: string): string =>
    `${basePath}/interaction/${uid}${step === undefined ? '' : `/${step}`}`

/**
 * Refuses a form for a step that is not due (ASVS 2.3.1).
 * @throws DomainError `interaction_not_found`
 */
export function requireStep(interaction: Interaction, step: Interaction['step']): void {
  if (interaction.step === step) return
  throw new DomainError('interaction_not_found', {
    detail: { expected: interaction.step, came: step },
  })
}
