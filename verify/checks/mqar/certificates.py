"""x"""
CHECKS = ()
