"A live widget in a real JupyterLab: a click on the page is read by Python, and a change by Python is seen on the page."
import time
import psutil
import pytest

COUNTER = """
import anywidget, traitlets
class Counter(anywidget.AnyWidget):
    _esm = '''
    function render({model, el}) {
        const button = document.createElement('button'), show = () => button.textContent = `count ${model.get('n')}`;
        button.onclick = () => { model.set('n', model.get('n') + 1); model.save_changes() };
        model.on('change:n', show);
        show();
        el.append(button);
    }
    export default {render};
    '''
    n = traitlets.Int(0).tag(sync=True)
counter = Counter()
counter
"""


def test_a_widget_and_python_hear_each_other(lab):
    pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'hybrid_lit[live]'")
    nb = lab([COUNTER, "print(counter.n)", "counter.n = 41"])
    nb.run()
    assert nb.text(1) == "0"
    button = nb.area(0).get_by_role("button", name="count 41")
    button.click()
    assert nb.until(1, lambda said: said == "42") == "42"
    nb.area(0).get_by_role("button", name="count 42").wait_for()


def test_an_exception_in_a_cell_is_one_here(lab):
    nb = lab(["1 + 1", "1/0", "3"])
    with pytest.raises(AssertionError, match="(?s)cell 1: .*ZeroDivisionError"): nb.run()
    assert nb.text(0) == "2" and nb.run(2) == "3"
    with pytest.raises(TimeoutError, match="cell 2 still says '3'"): nb.until(2, lambda said: said == "4", seconds=1)
