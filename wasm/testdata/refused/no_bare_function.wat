;; error: no export f; the module exports g
(module (func (export "g")))
