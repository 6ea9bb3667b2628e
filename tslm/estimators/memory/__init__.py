"""Memory of fit and predict, before anything is loaded, and after it has run out."""
