/** Formats rows as lines with aligned columns: the first column and other text to the left, numbers to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const right = widths.map((_, i) => i > 0 && rows.some((row) => isNumber(row[i])));
  return rows.map((row) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('   ')
      .trimEnd(),
  );
}

const isNumber = (cell: string | undefined): boolean => cell !== undefined && /^-?[\d.]+$/.test(cell);
