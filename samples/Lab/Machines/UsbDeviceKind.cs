using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>A kind of USB device that can be named.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Argument">How its argument is written in the help: <c>=FILE</c> where it must be there, <c>[=FILE]</c> where it may; anything else is no argument.</param>
/// <param name="Meaning">What it is, in a few words.</param>
/// <param name="Options">The names of its options.</param>
/// <param name="Create">Makes one.</param>
internal sealed record UsbDeviceKind(
    string Name, string Argument, string Meaning, IReadOnlyList<string> Options, Func<UsbDeviceFactory, UsbDeviceOrder, IUsbDevice> Create)
{
    /// <summary>Whether it needs an argument.</summary>
    public bool NeedsArgument => Argument.StartsWith('=');

    /// <summary>Whether it may have an argument.</summary>
    public bool TakesArgument => NeedsArgument || Argument.StartsWith("[=", StringComparison.Ordinal);
}
