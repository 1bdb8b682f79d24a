using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Stops the VMM's software before a certain write of it, as a crash does; from then on it writes nothing until it is let go on.</summary>
internal sealed class StoppedWrite
{
    private int? _left;
    private bool _isStopped;

    /// <summary>Whether it stopped the software.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>Lets so many writes happen, and stops the software before the next one.</summary>
    public void Arm(int writes) => (_left, _isStopped, HasStopped) = (writes, false, false);

    /// <summary>From here on nothing is stopped.</summary>
    public void Disarm() => (_left, _isStopped) = (null, false);

    /// <summary>Lets software run that is stopped so.</summary>
    /// <returns>Whether it was.</returns>
    public bool Stops(int writes, Host host, Func<Task> work)
    {
        Arm(writes);
        try
        {
            host.Loop.Run(work);
            host.Loop.RunFor(1_000);
        }
        catch (StoppedException)
        {
        }

        Disarm();
        return HasStopped;
    }

    /// <summary>A write is about to happen.</summary>
    public void BeforeWrite()
    {
        if (!_isStopped && _left is { } left)
        {
            (_isStopped, _left) = (left == 0, left - 1);
            HasStopped |= _isStopped;
        }

        if (_isStopped)
            throw new StoppedException();
    }
}
