import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table action_tokens (
  tenant_id text not null,
  account_id text not null,
  purpose text not null,
  id text not null,
  hash text not null,
  email text not null,
  account_email text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint pk_action_tokens primary key (tenant_id, account_id, purpose),
  constraint uq_action_tokens_hash unique (tenant_id, hash),
  constraint fk_action_tokens_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index ix_action_tokens_expires on action_tokens (expires_at);
`

/** Tokens of links in mails, only the latest of each purpose. */
export class ActionTokens0015 implements MigrationInterface {
  name = 'ActionTokens1760000000015'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table action_tokens')
  }
}
