using Dma.Drivers;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A USB stack whose devices are passed on to guests: drivers of a controller, and memory that the controller reaches.</summary>
public abstract class UsbStack : IUsbStack
{
    private const int PageBytes = 4096;

    private readonly Dictionary<int, Stack<HostUsbBuffer>> _spare = [];
    private IUsbHostController? _controller;

    /// <inheritdoc/>
    public abstract Processor Processor { get; }

    /// <summary>The controller.</summary>
    /// <exception cref="InvalidOperationException">The stack does not have it.</exception>
    public IUsbHostController Controller => _controller ?? throw new InvalidOperationException("The stack does not have its controller.");

    /// <summary>Whether it has its controller.</summary>
    protected bool HasController => _controller is not null;

    /// <inheritdoc/>
    public async ValueTask<HostUsbBuffer?> TryAllocate(int length)
    {
        if (_controller is not { HasStopped: false } controller)
            return null;

        // Kept mapped for the next one of its size: a bounce buffer that is mapped each time would cost more than the copy.
        int bytes = (int)(((long)length + PageBytes - 1) / PageBytes * PageBytes);
        if (_spare.GetValueOrDefault(bytes)?.TryPop(out HostUsbBuffer? spare) == true)
            return spare with { Length = length };
        try
        {
            CoherentBuffer buffer = await controller.Memory.AllocateCoherent(bytes);
            return new(buffer.Mapping.DeviceAddress, length, buffer.Memory);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public virtual ValueTask Release(HostUsbBuffer buffer)
    {
        MemoryBuffer memory = buffer.Memory ?? throw new InvalidOperationException("The buffer is none of this stack's.");
        if (!_spare.TryGetValue(memory.Length, out Stack<HostUsbBuffer>? spare))
            _spare.Add(memory.Length, spare = new());
        spare.Push(buffer);
        return default;
    }

    /// <summary>Drives the controller from now on.</summary>
    /// <exception cref="DriverException">It does not start.</exception>
    protected async ValueTask Drive(IDevice device) => _controller = await UsbHostControllers.Start(device);

    /// <summary>Has no controller any more, and no memory of its own.</summary>
    protected void Forget()
    {
        _controller = null;
        _spare.Clear();
    }
}
