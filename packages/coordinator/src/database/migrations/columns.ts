import { type ColumnDataType, type ColumnDefinitionBuilder, type CreateTableBuilder, sql } from 'kysely';

export type SqlDialect = 'sqlite' | 'postgres';

type Build = (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder;

/** What a step must say differently to the two databases; everything else is the same text. */
export type Columns = {
  /** Whole numbers up to 2^53 - 1; read as a number from both. */
  integer: ColumnDataType;
  /** The type and the rest of a primary key that only ever grows. */
  seq: readonly [ColumnDataType, Build];
  /** SQLite takes any value in any column unless it is told to be strict. */
  strict<Table extends string, Column extends string>(
    table: CreateTableBuilder<Table, Column>,
  ): CreateTableBuilder<Table, Column>;
};

export const columnsOf: Readonly<Record<SqlDialect, Columns>> = {
  sqlite: {
    integer: 'integer',
    // Without `autoincrement` SQLite would give the number of a deleted last row again.
    seq: ['integer', (column) => column.primaryKey().autoIncrement()],
    strict: (table) => table.modifyEnd(sql`strict`),
  },
  postgres: {
    integer: 'bigint',
    seq: ['bigserial', (column) => column.primaryKey()],
    strict: (table) => table,
  },
};
