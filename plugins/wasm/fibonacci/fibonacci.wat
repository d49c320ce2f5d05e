;; A bare plugin: one function of numbers, no marker, no memory, no imports.
;; fib(0) = fib(1) = 1, fib(n) = fib(n-1) + fib(n-2). Below 0 it is 1. From 46 on the number
;; does not fit an i32, and the function traps instead of answering a wrong one.
(module
  (func $fib (export "fib") (param $n i32) (result i32)
    (local $a i32)     ;; fib(i-1)
    (local $b i32)     ;; fib(i)
    (local $next i32)
    local.get $n
    i32.const 45
    i32.gt_s
    if
      unreachable
    end
    i32.const 1
    local.set $a
    i32.const 1
    local.set $b
    block $done
      loop $step
        local.get $n
        i32.const 2
        i32.lt_s
        br_if $done
        local.get $a
        local.get $b
        i32.add
        local.set $next
        local.get $b
        local.set $a
        local.get $next
        local.set $b
        local.get $n
        i32.const 1
        i32.sub
        local.set $n
        br $step
      end
    end
    local.get $b
  )
)
