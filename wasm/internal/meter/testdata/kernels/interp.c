#include "kernel.h"

enum { HALT, PUSH, POP, DUP, SWAP, OVER, ADD, SUB, MUL, DIVU, AND, OR, XOR, SHL, SHR, NOT, NEG, EQ, LT, GT, JMP, JZ, JNZ, LOAD, STORE, INC, DEC, CALL, RET, NOP };

// for i = n; i != 0; i-- { s = f(s, i) }  with  f(s, i) = (s ^ i) * 31 + (s >> 7) in a subroutine.
static const u8 program[] = {
	PUSH, 0, STORE, 0,
	LOAD, 1, JZ, 23,                                        // 4
	LOAD, 0, LOAD, 1, CALL, 26, STORE, 0, LOAD, 1, DEC, STORE, 1, JMP, 4, // 8..
	LOAD, 0, HALT,                                          // 23
	XOR, PUSH, 31, MUL, LOAD, 0, PUSH, 7, SHR, ADD, NOP, RET, // 26
};

// A machine of thirty operations runs the program above.
KERNEL(interp) {
	u64 stack[32], vars[4] = {0, (u64)n};
	u32 calls[8], pc = 0, sp = 0, cp = 0;
	for (;;) {
		switch (program[pc++]) {
		case HALT: return (i64)stack[sp - 1];
		case PUSH: stack[sp++] = program[pc++]; break;
		case POP: sp--; break;
		case DUP: stack[sp] = stack[sp - 1], sp++; break;
		case SWAP: { u64 t = stack[sp - 1]; stack[sp - 1] = stack[sp - 2], stack[sp - 2] = t; break; }
		case OVER: stack[sp] = stack[sp - 2], sp++; break;
		case ADD: sp--, stack[sp - 1] += stack[sp]; break;
		case SUB: sp--, stack[sp - 1] -= stack[sp]; break;
		case MUL: sp--, stack[sp - 1] *= stack[sp]; break;
		case DIVU: sp--, stack[sp - 1] /= stack[sp]; break;
		case AND: sp--, stack[sp - 1] &= stack[sp]; break;
		case OR: sp--, stack[sp - 1] |= stack[sp]; break;
		case XOR: sp--, stack[sp - 1] ^= stack[sp]; break;
		case SHL: sp--, stack[sp - 1] <<= stack[sp]; break;
		case SHR: sp--, stack[sp - 1] >>= stack[sp]; break;
		case NOT: stack[sp - 1] = ~stack[sp - 1]; break;
		case NEG: stack[sp - 1] = -stack[sp - 1]; break;
		case EQ: sp--, stack[sp - 1] = stack[sp - 1] == stack[sp]; break;
		case LT: sp--, stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
		case GT: sp--, stack[sp - 1] = stack[sp - 1] > stack[sp]; break;
		case JMP: pc = program[pc]; break;
		case JZ: pc = stack[--sp] ? pc + 1 : program[pc]; break;
		case JNZ: pc = stack[--sp] ? program[pc] : pc + 1; break;
		case LOAD: stack[sp++] = vars[program[pc++] & 3]; break;
		case STORE: vars[program[pc++] & 3] = stack[--sp]; break;
		case INC: stack[sp - 1]++; break;
		case DEC: stack[sp - 1]--; break;
		case CALL: calls[cp++ & 7] = pc + 1, pc = program[pc]; break;
		case RET: pc = calls[--cp & 7]; break;
		case NOP: break;
		default: return -1;
		}
	}
}
