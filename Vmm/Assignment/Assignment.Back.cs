namespace Dma.Vmm;

/// <content>The way back from wherever it is, also where a step broke off or the device is gone.</content>
public sealed partial class Assignment
{
    private const int StepsMax = 16;

    /// <summary>Takes it out of the guest's sight, if it is there; the first thing on the way back.</summary>
    internal async ValueTask Hide()
    {
        await FaceInterruption();
        if (State == AssignmentState.Assigned)
            _ = await Withdraw();
    }

    /// <summary>Undoes steps, one by one, until it is with nobody; also those that broke off in the middle, or that someone else takes by hand meanwhile.</summary>
    /// <returns>The step that was refused.</returns>
    internal async ValueTask<AssignmentResult> StepBack()
    {
        AssignmentResult result = AssignmentResult.Done;
        for (int step = 0; step < StepsMax && State is not (AssignmentState.Host or AssignmentState.Detached or AssignmentState.Clean); step++)
        {
            result = await (State switch
            {
                AssignmentState.Assigned => Withdraw(),
                AssignmentState.Withdrawn or AssignmentState.Isolated => Quiesce(),
                AssignmentState.Quarantined => Reset(),
                _ => Release(),
            });
            if (result.Refusal is not (AssignmentRefusal.None or AssignmentRefusal.WrongState))
                break;
        }

        return result;
    }

    /// <summary>The device was pulled out: all that was left of it here goes, and no driver gets it.</summary>
    internal async ValueTask Vanish()
    {
        await FaceInterruption();
        await _steps.Enter();
        try
        {
            Driver = null;
            await BlockAll();
            (_real, _header) = (null, null);
            _ = Move(AssignmentState.Host);
        }
        finally
        {
            _steps.Leave();
        }
    }

    /// <summary>Somebody reset the bus that it is on: its configuration is put back.</summary>
    internal void RestoreAfterReset() => _real?.Restore();

    // After a step that broke off, the state is the furthest one that the step could have reached.
    private async ValueTask FaceInterruption()
    {
        await _steps.Enter();
        try
        {
            if (!IsInterrupted)
                return;
            if (_real is null)
                _header?.Restore();
            State = _real is null ? AssignmentState.Detached : _plug is null ? AssignmentState.Withdrawn : AssignmentState.Assigned;
            IsInterrupted = false;
        }
        finally
        {
            _steps.Leave();
        }
    }
}
