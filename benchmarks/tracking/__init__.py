"""Following analyses on ICA, beside a loop with libica."""
