// Checks for the client tests: each failure is printed, and the last word is the exit status.
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

export function finish() {
    console.log(`${checks} checks, ${failures} failed`);
    process.exit(failures ? 1 : 0);
}
