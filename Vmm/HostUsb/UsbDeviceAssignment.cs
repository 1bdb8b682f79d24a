using Dma.Machine;

namespace Dma.Vmm;

/// <summary>One USB device of the host, and its way to a VM and back, while the others behind its controller stay where they are.</summary>
/// <remarks>
/// <code>
/// Host --log out--> Unbound --reset port--> Resetting --attach--> Assigned
///   ^                                                                 |
///   +------------- log in --- Resetting --- Returning &lt;-- detach -----+
/// </code>
/// A whole controller goes by <see cref="Assignment"/> instead, and needs no mediator.
/// </remarks>
/// <param name="device">The device; it has one of these alone.</param>
public sealed class UsbDeviceAssignment(IHostUsbDevice device) : IGuestService
{
    private readonly Gate _gate = new();
    private IUsbMediator? _mediator;

    /// <summary>The device.</summary>
    public IHostUsbDevice Device => device;

    /// <summary>How far it is.</summary>
    public UsbDeviceState State { get; private set; }

    /// <summary>The VM that has it.</summary>
    public VirtualMachine? Machine => _mediator?.Machine;

    /// <summary>Who mediates for that VM, for people.</summary>
    public string? Mediator => _mediator?.Name;

    /// <summary>Gives the device to a VM.</summary>
    /// <param name="mediator">Who stands in between.</param>
    /// <returns><c>false</c> where it stays, or comes back, with the host: a driver does not let it go, it does not survive its reset, or the mediator does not take it.</returns>
    /// <exception cref="InvalidOperationException">A VM has it.</exception>
    public async ValueTask<bool> Assign(IUsbMediator mediator)
    {
        await _gate.Enter();
        try
        {
            if (State != UsbDeviceState.Host)
                throw new InvalidOperationException($"{device.Name} is not with the host.");
            if (!mediator.Machine.IsRunning || !await device.LogOut())
                return false;
            State = UsbDeviceState.Unbound;
            if (await Reset() && await mediator.Attach(device))
            {
                (_mediator, State) = (mediator, UsbDeviceState.Assigned);
                mediator.Machine.Services.Add(this);
                return true;
            }

            await Return();
            return false;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Takes the device back from its VM; the driver of the host comes back to it.</summary>
    /// <returns>Whether it did: a device that is gone, or does not work any more, stays unbound.</returns>
    public async ValueTask<bool> TakeBack()
    {
        await _gate.Enter();
        try
        {
            if (_mediator is not { } mediator)
                return State == UsbDeviceState.Host;
            State = UsbDeviceState.Returning;
            await mediator.Detach(device);
            _ = mediator.Machine.Services.Remove(this);
            _mediator = null;
            return await Return();
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <inheritdoc/>
    async ValueTask IGuestService.Close() => _ = await TakeBack();

    private async ValueTask<bool> Reset()
    {
        State = UsbDeviceState.Resetting;
        bool isBack = await device.Reset();
        State = isBack ? UsbDeviceState.Resetting : UsbDeviceState.Unbound;
        return isBack;
    }

    private async ValueTask<bool> Return()
    {
        bool isBack = await Reset() && await device.LogIn();
        State = isBack ? UsbDeviceState.Host : UsbDeviceState.Unbound;
        return isBack;
    }
}
