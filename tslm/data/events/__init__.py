"""Events: statements in words about series, the steps that they concern, and free text."""

from tslm.data.events.disturbances import without_disturbances as without_disturbances
from tslm.data.events.reading import Reading as Reading
from tslm.data.events.reading import read as read
