/** The powers of ten that a float64 holds exactly, by exponent. */
export const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
