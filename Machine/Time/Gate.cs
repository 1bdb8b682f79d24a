namespace Dma.Machine;

/// <summary>Lets one piece of software in at a time, in the order of asking.</summary>
/// <remarks>Entering an open gate takes no time and no memory. Who waited continues in an event of its own, not inside the one who left.</remarks>
public sealed class Gate
{
    private readonly Queue<TaskCompletionSource> _waiting = new();
    private bool _isTaken;

    /// <summary>Waits for the gate and takes it.</summary>
    public ValueTask Enter()
    {
        if (!_isTaken)
        {
            _isTaken = true;
            return default;
        }

        TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Enqueue(turn);
        return new(turn.Task);
    }

    /// <summary>Hands the gate to the next one, or opens it.</summary>
    public void Leave()
    {
        if (_waiting.TryDequeue(out TaskCompletionSource? next))
            next.SetResult();
        else
            _isTaken = false;
    }
}
