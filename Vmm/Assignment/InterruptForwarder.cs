using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The task of the VMM that a device's interrupt on the host wakes, and that passes it on to the guest.</summary>
/// <param name="interrupt">What the guest's function does then.</param>
/// <param name="guest">The guest, which the interrupt takes away from what it was doing, if it runs.</param>
/// <param name="signal">What the interrupt raises on the host.</param>
internal sealed class InterruptForwarder(Action interrupt, VirtualMachine guest, Signal signal)
{
    private bool _isStopped;

    /// <summary>How many were passed on.</summary>
    public ulong Forwarded { get; private set; }

    /// <summary>Waits for interrupts until it is stopped.</summary>
    public async void Run()
    {
        while (await signal.Wait() && !_isStopped)
        {
            if (guest.Schedule.State == GuestState.Running)
                guest.Cpu.Processor.Charge(Cost.Exit);
            Forwarded++;
            interrupt();
        }
    }

    /// <summary>Passes nothing on any more.</summary>
    public void Stop()
    {
        _isStopped = true;
        signal.Raise();
    }
}
