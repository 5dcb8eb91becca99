// Checks for the client tests: each failure is printed, and the last word is the exit status.
import { z } from 'zod';

let failures = 0;
let checks = 0;

export function equal(what, got, wanted) {
    checks++;
    if (JSON.stringify(got) !== JSON.stringify(wanted)) {
        failures++;
        console.log(`FAILED: ${what}: got ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`);
    }
}

export function ok(what, value) {
    equal(what, Boolean(value), true);
}

// The error that a promise ends in.
export async function failure(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    return {};
}

export const question = 'What is Hearth?';

// What a tool takes.
export const city = z.strictObject({ city: z.enum(['Rome', 'Oslo']) });

// Whether all requests of the engine end, after a client left one.
export async function becomesIdle(url, key) {
    const headers = { authorization: `Bearer ${key}` };
    for (let left = 500; left > 0; left--) {
        const slots = await (await fetch(`${url}/slots`, { headers })).json();
        if (slots.every(s => !s.is_processing))
            return true;
    }
    return false;
}

export function finish() {
    console.log(`${checks} checks, ${failures} failed`);
    process.exit(failures ? 1 : 0);
}
