// Waiting, always with an end. A wait that runs out says what it waited for and what it saw last.

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Polls `probe` until it gives something truthy, and gives that. An error of the probe counts as "not yet". */
export async function until(what, probe, { timeout = 15_000, every = 50 } = {}) {
  const end = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${timeout} ms for ${what}; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
    }
    await sleep(every);
  }
}

/** Fails when `promise` has not settled in time; the promise itself is not cancelled. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
