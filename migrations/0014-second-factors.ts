import type { MigrationInterface, QueryRunner } from 'typeorm'

const up = `
create table second_factors (
  tenant_id text not null,
  id text not null,
  account_id text not null,
  kind text not null,
  name text not null,
  sealed text not null,
  last_step integer not null,
  created_at timestamptz not null,
  last_used_at timestamptz,
  constraint pk_second_factors primary key (tenant_id, id),
  constraint fk_second_factors_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
create index ix_second_factors_account on second_factors (tenant_id, account_id);
create trigger ck_second_factors_key_is_current before insert or update of sealed on second_factors for each row
  when (new.sealed like 'v1.%') execute function assert_key_is_current('sealed');
create table recovery_codes (
  tenant_id text not null,
  account_id text not null,
  mac text not null,
  created_at timestamptz not null,
  used_at timestamptz,
  constraint pk_recovery_codes primary key (tenant_id, account_id, mac),
  constraint fk_recovery_codes_account foreign key (tenant_id, account_id) references accounts (tenant_id, id) on delete cascade
);
`

/** Second factors. */
export class SecondFactors0014 implements MigrationInterface {
  name = 'SecondFactors1760000000014'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(up)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table recovery_codes; drop table second_factors')
  }
}
