"""What is true, and why: claims and their derivations. No torch."""

if __name__ == "theorems":
    from mamba_theorems.checkout import hand_over

    hand_over(__name__)
