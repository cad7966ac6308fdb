"""How it is shown: a page of Bokeh, which draws what the model hands it and passes on wishes."""
