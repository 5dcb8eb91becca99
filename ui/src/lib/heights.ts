// Where each row of a long list lies. Rows that were never on the screen have an estimate; once measured
// they keep their height. Offsets are sums, made anew from the first row that changed.
export class Heights {
  private sizes: Float64Array;
  private offsets: Float64Array;
  private clean = 0;

  constructor(
    readonly n: number,
    height: (row: number) => number,
  ) {
    this.sizes = Float64Array.from({ length: n }, (_, row) => height(row));
    this.offsets = new Float64Array(n + 1);
  }

  height(row: number): number {
    return this.sizes[row] ?? 0;
  }

  /** By how much the row grew. */
  set(row: number, height: number): number {
    const grown = height - this.height(row);
    if (grown === 0) return 0;
    this.sizes[row] = height;
    this.clean = Math.min(this.clean, row);
    return grown;
  }

  offset(row: number): number {
    for (; this.clean < row; this.clean++) this.offsets[this.clean + 1] = this.offsets[this.clean]! + this.sizes[this.clean]!;
    return this.offsets[row] ?? 0;
  }

  get total(): number {
    return this.offset(this.n);
  }

  /** The row that covers y. */
  at(y: number): number {
    let low = 0;
    let high = this.n - 1;
    this.offset(this.n);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offsets[middle]! <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }
}
